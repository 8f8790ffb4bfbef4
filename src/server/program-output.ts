/** Runs a program. Resolves with its standard output, or with the error if it fails. */
export async function programOutput([program, ...args]: readonly string[]): Promise<
  string | Error
> {
  // Loaded here, because few servers start another program.
  const { execFile } = await import('node:child_process')
  return new Promise((resolve) => {
    execFile(program!, args, (error, output) => resolve(error ?? output))
  })
}
