/** What a program writes to its standard output, or why it has failed. */
export async function programOutput([program, ...args]: readonly string[]): Promise<
  string | Error
> {
  // Few servers start another program: the others need not load this.
  const { execFile } = await import('node:child_process')
  return new Promise((resolve) => {
    execFile(program!, args, (error, output) => resolve(error ?? output))
  })
}
