import { after, before } from 'node:test'
import type { MailServer } from './mail-server.ts'
import { RawFilter } from './raw-filter.ts'
import type { Kind } from './stack.ts'

/** A real server with a filter whose edits a test gives byte by byte; both last as long as the suite. */
export function rawServer(kind: Kind): {
  readonly filter: RawFilter
  readonly server: MailServer
} {
  const behind = {} as { filter: RawFilter; server: MailServer }
  before(async () => {
    behind.filter = await RawFilter.start()
    behind.server = await kind.start({ milters: [behind.filter.address] })
  })
  after(async () => {
    await behind.server.stop()
    behind.filter.close()
  })
  return behind
}
