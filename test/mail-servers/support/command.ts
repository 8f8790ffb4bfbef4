import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

// The servers' programs are in directories that a user's PATH often lacks.
const SEARCH = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']

/** The environment of everything started here: nothing of the developer's own leaks in. */
export const ENVIRONMENT: Readonly<NodeJS.ProcessEnv> = {
  PATH: SEARCH.join(delimiter),
  LC_ALL: 'C',
  TZ: process.env['TZ'] ?? 'UTC',
}

/** The path of a program, or undefined if there is none. */
export function findProgram(name: string): string | undefined {
  return SEARCH.filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path))
}

/** Runs a program and resolves to what it writes; its complaints are in the error if it fails. */
export async function run(program: string, args: readonly string[], input?: string | Buffer) {
  return await new Promise<string>((resolve, reject) => {
    const options = { env: ENVIRONMENT, encoding: 'latin1', maxBuffer: 1 << 28 } as const
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr || error.message}`))
    })
    // A program that ends without reading its input is judged by its exit code.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}
