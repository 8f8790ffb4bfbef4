import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { atEnd, killAtEnd } from '../../support/resources.ts'

const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
}

/** A directory that every user may enter, removed at the end of the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tsmilter-'))
  chmodSync(directory, 0o755)
  atEnd(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Runs a program to its end; throws with what it said if it fails. */
export function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    env: ENVIRONMENT,
    encoding: 'utf8',
    timeout: 60_000,
  })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${program} ended with ${status}:\n${stdout}${stderr}`)
  return stdout
}

/** Starts somebody else's filter, and resolves when it answers on its socket. It ends with the test. */
export async function startFilter(
  program: string,
  args: readonly string[],
  socket: string,
): Promise<ChildProcess> {
  const child = killAtEnd(
    spawn(program, args, { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] }),
  )
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => (said += text.toString()))
  }
  const deadline = Date.now() + 30_000
  for (;;) {
    if (existsSync(socket) && (await answers(socket))) return child
    if (child.exitCode !== null || Date.now() > deadline) {
      throw new Error(`${program} does not listen on ${socket}:\n${said}`)
    }
    await sleep(20)
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** Whether a program is here; where it must be, a test fails for it. */
export function available(program: string, args: readonly string[], name: string): boolean {
  const { error, status } = spawnSync(program, args, { env: ENVIRONMENT, stdio: 'ignore' })
  // Some programs have no option that only says who they are.
  if (error === undefined && status !== 127 && status !== 1) return true
  const missing = `${name} is not installed: run \`sudo test/conformance/setup.sh\` (Debian) to get it`
  if (process.env['TSMILTER_REQUIRE_MTA'] === '1') {
    it(name, () => {
      throw new Error(missing)
    })
  } else it(name, { skip: missing }, () => {})
  return false
}

/** A file beside the sources; this one runs from build/. */
export function sourcePath(...names: string[]): string {
  for (let path = import.meta.dirname; ; path = dirname(path)) {
    if (existsSync(join(path, 'package.json'))) return join(path, ...names)
  }
}
