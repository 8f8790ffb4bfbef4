/**
 * Whether a debugger can be attached to this process: the port of its inspector is open (`--inspect`, SIGUSR1). A stop
 * at a breakpoint takes longer than any deadline. Called only when a deadline has passed.
 */
export function isDebugged(): boolean {
  return process.getBuiltinModule('node:inspector').url() !== undefined
}
