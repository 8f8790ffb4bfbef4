import { HeaderView } from '../protocol/commands.ts'
import type { Payload } from '../protocol/frame.ts'

/**
 * One view for the fields of all sessions, one after the other. Nearly always the handler is done with a field at once,
 * and a view for each connection would be memory that is touched for each field. This is safe only because no session
 * calls a handler with a field while the handler of another session is still on the stack.
 */
let view = new HeaderView()

/** @throws ProtocolError MALFORMED_PAYLOAD */
export const showField = (payload: Payload): HeaderView => view.read(payload)

/** Leaves the field that was shown last to a handler that takes its time. */
export function leaveField(): void {
  view.keep()
  view = new HeaderView()
}
