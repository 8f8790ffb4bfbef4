import assert from 'node:assert/strict'
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { symlinkSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MtaClient } from '../../../src/mta/client.ts'
import type { Outcome } from '../../../src/mta/outcome.ts'
import { sourcePath, temporaryDirectory } from '../../conformance/support/program.ts'

/** How long anything may take on a machine that has other things to do. */
const PATIENCE = 30_000

export const COMMAND = sourcePath('bin', 'tsmilter.js')

/** Waits until `probe` gives something that is true. */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
): Promise<Exclude<T, undefined | false>> {
  for (const end = Date.now() + PATIENCE; ;) {
    const found = await probe()
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>
    if (Date.now() > end) assert.fail(`waited in vain for ${what}`)
    await sleep(10)
  }
}

/** A directory of somebody who has installed the package. */
export function project(files: Readonly<Record<string, string>> = {}): string {
  const directory = temporaryDirectory()
  mkdirSync(join(directory, 'node_modules'))
  symlinkSync(sourcePath('.'), join(directory, 'node_modules', 'tsmilter'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

/** The command `tsmilter run`, running. */
export class Running implements AsyncDisposable {
  /** all it has said */
  said = ''
  readonly ended: Promise<number | NodeJS.Signals>
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (text) => (this.said += String(text)))
    }
    this.ended = new Promise((resolve) =>
      child.once('close', (code, signal) => resolve(signal ?? code!)),
    )
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Nobody reads what it says any more. */
  closeOutput(): void {
    this.#child.stdout?.destroy()
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** How often it has said something. */
  count(pattern: RegExp): number {
    return [...this.said.matchAll(new RegExp(pattern, 'gm'))].length
  }

  /** Waits until it has said something, so many times. */
  async says(pattern: RegExp, times = 1): Promise<void> {
    let over = false
    void this.ended.then(() => (over = true))
    await until(`${pattern} in ${this.said}`, () => {
      if (this.count(pattern) >= times) return true
      if (over) assert.fail(`it has ended without ${pattern}: ${this.said}`)
      return false
    })
  }

  /** Its addresses, as it said them last. */
  get addresses(): string[] {
    const lines = [...this.said.matchAll(/(?:ready|reloaded) addresses=("[^"]*"|\S+)/g)]
    return lines.at(-1)![1]!.replaceAll('"', '').split(' ')
  }

  get address(): string {
    return this.addresses[0]!
  }

  async stop(): Promise<number | NodeJS.Signals> {
    this.signal('SIGTERM')
    return this.ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGKILL')
    await this.ended
  }
}

/**
 * Its environment: nothing of the tests' own, whose `TSMILTER_` variables it would warn of, since they are no options.
 */
export const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  TSMILTER_LOG_FORMAT: 'text',
  ...more,
})

/** Starts it, without waiting for anything. */
export function launch(
  args: readonly string[],
  cwd: string,
  options: SpawnOptions = {},
  nodeOptions: readonly string[] = [],
): Running {
  return new Running(
    spawn(process.execPath, [...nodeOptions, COMMAND, 'run', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
      cwd,
      env: environment(options.env),
    }),
  )
}

/** Starts it, and waits until it serves. */
export async function start(
  args: readonly string[],
  cwd: string,
  options: SpawnOptions = {},
  sign = /INFO  ready /,
): Promise<Running> {
  const running = launch(args, cwd, options)
  await running.says(sign)
  return running
}

export const connect = (address: string): Promise<MtaClient> =>
  MtaClient.connect(address, { timeouts: PATIENCE })

/**
 * A page of telemetry, on a connection of its own: one that is kept may be closed by the server just when the
 * next request is sent, as HTTP allows.
 */
export const get = (url: string | URL): Promise<Response> =>
  fetch(url, { headers: { connection: 'close' } })

export const MESSAGE = 'From: alice@example.org\nSubject: hello\n\nhello\n'

/** One message in a connection of its own. */
export async function send(address: string, message = MESSAGE): Promise<Outcome> {
  await using client = await connect(address)
  // Waited for: at the end of the block the connection is closed.
  return await client.deliver({ message })
}

/** What a filter of a test has put into a field. */
export function field(outcome: Outcome, name: string): string {
  assert.equal(outcome.failure, undefined)
  const match = new RegExp(`^${name}: (.*?)\r?$`, 'm').exec(String(outcome.message))
  assert.ok(match, `no ${name} in ${String(outcome.message)}`)
  return match[1]!
}
