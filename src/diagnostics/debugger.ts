/**
 * Whether this process can be debugged at the moment: its inspector's port is open (`--inspect`, SIGUSR1). Who stands at
 * a breakpoint takes longer than any deadline. Asked only when one is over.
 */
export function isDebugged(): boolean {
  return process.getBuiltinModule('node:inspector').url() !== undefined
}
