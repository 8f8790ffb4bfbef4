// Private Redis servers, Sentinels and Clusters on loopback, for one test file each.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'

/** Debian's `redis-server` is Valkey or Redis; TSMILTER_REDIS_SERVER names another program. */
const PROGRAM = process.env['TSMILTER_REDIS_SERVER'] ?? 'redis-server'

/** Whether there is a redis-server; where it must be, a test fails for it. */
export function redisAvailable(): boolean {
  if (spawnSync(PROGRAM, ['--version'], { stdio: 'ignore' }).status === 0) return true
  const missing =
    'redis-server is not installed: run `sudo test/conformance/setup.sh` (Debian) to get it'
  if (process.env['TSMILTER_REQUIRE_MTA'] === '1') {
    it('redis-server', () => {
      throw new Error(missing)
    })
  } else it('redis-server', { skip: missing }, () => {})
  return false
}

/** Milliseconds until a server must answer, on a busy machine. */
const START = 20_000

/** A port of loopback that nobody listened on a moment ago; below those of outgoing connections. */
export async function freePort(): Promise<number> {
  for (;;) {
    // A node of a Cluster has a second port, 10,000 above.
    const port = 11_000 + Math.floor(Math.random() * 10_000)
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port
  }
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => {
      const at = (server.address() as AddressInfo).port
      server.close(() => resolve(at === port))
    })
  })

export class RedisServer {
  readonly port: number
  readonly #directory: string
  readonly #args: readonly string[]
  #child: ChildProcess | undefined
  #said = ''

  private constructor(port: number, directory: string, args: readonly string[]) {
    this.port = port
    this.#directory = directory
    this.#args = args
  }

  /** Starts one; it ends with the test file. `args` are options of redis-server. */
  static async start(...args: string[]): Promise<RedisServer> {
    return RedisServer.#begin(await freePort(), [], args)
  }

  /** Starts one with lines of configuration. */
  static async configured(...lines: string[]): Promise<RedisServer> {
    return RedisServer.#begin(await freePort(), lines, [])
  }

  /** Starts a Sentinel with lines of configuration. */
  static async sentinel(...lines: string[]): Promise<RedisServer> {
    return RedisServer.#begin(await freePort(), lines, ['--sentinel'])
  }

  static async #begin(port: number, lines: readonly string[], args: readonly string[]) {
    const directory = mkdtempSync(join(tmpdir(), 'tsmilter-redis-'))
    const server = new RedisServer(port, directory, args)
    writeFileSync(
      join(directory, 'redis.conf'),
      [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${directory}`,
        `unixsocket ${server.socket}`,
        ...(args.includes('--sentinel') ? [] : ['save ""', 'appendonly no']),
        ...lines,
      ].join('\n'),
    )
    after(() => {
      server.kill()
      rmSync(directory, { recursive: true, force: true })
    })
    await server.restart()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  get socket(): string {
    return join(this.#directory, 'redis.sock')
  }

  /** Starts it again after `kill`, empty. */
  async restart(): Promise<void> {
    const child = spawn(PROGRAM, [join(this.#directory, 'redis.conf'), ...this.#args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.on(
        'data',
        (text: Buffer) => (this.#said = (this.#said + text.toString()).slice(-9_999)),
      )
    }
    const end = Date.now() + START
    while ((await this.command('ping').catch(() => '')) === '') {
      if (child.exitCode !== null || Date.now() > end) {
        throw new Error(`${PROGRAM} does not answer:\n${this.#said}`)
      }
      await sleep(20)
    }
  }

  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  /** Stops it as a machine that hangs: its connections stay. */
  stop(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** One command by a connection of its own; any answer of the server will do. */
  async command(...words: (string | number)[]): Promise<unknown> {
    const client = new Redis({
      path: this.socket,
      lazyConnect: true,
      enableReadyCheck: false,
      disableClientInfo: true,
      protocol: 2,
      retryStrategy: () => null,
      commandTimeout: 5_000,
    })
    client.on('error', () => {})
    try {
      await client.connect()
      return await client.call(String(words[0]), ...words.slice(1).map(String))
    } catch (error) {
      if ((error as Error).name === 'ReplyError' && words[0] === 'ping') return error
      throw error
    } finally {
      client.disconnect()
    }
  }
}

/** Waits until something is true of a server: at most half a minute, for what takes seconds. */
export async function eventually<T>(what: () => Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + 30_000
  for (;;) {
    const found = await what().catch(() => undefined)
    if (found !== undefined && found !== false) return found
    if (Date.now() > end) throw new Error(`not within 30 s: ${what.toString()}`)
    await sleep(25)
  }
}
