import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ENVIRONMENT } from './command.ts'

/** How long a server may take to listen, ms. */
const START_MS = 30_000
/** How long a server may take to end by itself, ms. */
const GRACE_MS = 3_000

/** Another process has taken the port between the search for it and its use. */
export class PortTaken extends Error {}

/** A port of 127.0.0.1 on which nothing listens. Somebody else may take it before it is used. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Calls `start` with a free port, again with another one if that port gets taken meanwhile. */
export async function withFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await freePort())
    } catch (error) {
      if (!(error instanceof PortTaken) || attempt === 5) throw error
    }
  }
}

/**
 * A mail server's main process. It leads a process group of its own, in which all its descendants
 * stay, so that the end can be waited for and a stuck rest be killed without touching others.
 */
export class ServerProcess {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #guard: ChildProcess
  readonly #output: string
  #exit: string | undefined

  private constructor(child: ChildProcess, output: string, directory: string) {
    this.#child = child
    this.#output = output
    if (child.pid === undefined) throw new Error(`cannot start ${child.spawnfile}`)
    this.pid = child.pid
    child.on('exit', (code, signal) => {
      this.#exit = signal === null ? `exit code ${code}` : `signal ${signal}`
    })
    child.unref()
    this.#guard = guard(this.pid, directory)
  }

  /** What it writes to stdout and stderr goes to the file `output`. */
  static async start(
    program: string,
    args: readonly string[],
    options: { output: string; directory: string; env?: NodeJS.ProcessEnv },
  ): Promise<ServerProcess> {
    const file = openSync(options.output, 'a')
    try {
      const child = spawn(program, args, {
        cwd: options.directory,
        env: { ...ENVIRONMENT, ...options.env },
        stdio: ['ignore', file, file],
        detached: true,
      })
      await once(child, 'spawn')
      return new ServerProcess(child, options.output, options.directory)
    } finally {
      closeSync(file)
    }
  }

  /** Its own words, before and besides its log. */
  output(): string {
    return readFileSync(this.#output, 'latin1')
  }

  /**
   * Resolves when one of the group's processes listens on the port. The kernel's table is read
   * instead of connecting, because a connection would be a session that the filters see.
   */
  async listening(port: number, log: () => string): Promise<void> {
    const deadline = Date.now() + START_MS
    while (!this.processes().some((pid) => listens(pid, port))) {
      const said = () => `\n${this.output()}${log()}`
      if (/Address already in use/i.test(said())) throw new PortTaken(`port ${port}:${said()}`)
      if (this.#exit !== undefined) throw new Error(`ended with ${this.#exit}:${said()}`)
      if (Date.now() > deadline) throw new Error(`does not listen on port ${port}:${said()}`)
      await sleep(10)
    }
  }

  /** The living processes of the group. */
  processes(): number[] {
    const members = (pid: number) => statusOf(pid)?.group === this.pid
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter(members)
  }

  /** Ends the group and waits for its end. */
  async stop(): Promise<void> {
    this.#child.ref()
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const deadline = Date.now() + GRACE_MS
      if (this.processes().length > 0) signalGroup(this.pid, signal)
      while (this.processes().length > 0 && Date.now() < deadline) await sleep(5)
    }
    this.#guard.stdin?.end('stopped\n')
    const rest = this.processes()
    if (rest.length > 0) throw new Error(`still running: processes ${rest.join(', ')}`)
  }
}

/**
 * A shell that ends the server when this process goes away without stopping it: its input ends
 * without a line then. The shell is in a session of its own, out of reach of Ctrl-C.
 */
function guard(group: number, directory: string): ChildProcess {
  const script = 'read line || { kill -TERM "-$1"; sleep 1; kill -KILL "-$1"; $2; }'
  const clean = process.env['KEEP_MTA'] === '1' ? 'true' : `rm -rf ${directory}`
  const child = spawn('/bin/sh', ['-c', script, 'guard', String(group), clean], {
    cwd: '/',
    env: ENVIRONMENT,
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  child.unref()
  // The pipe is a socket of libuv, which would keep this process alive.
  const input: unknown = child.stdin
  ;(input as { unref(): void }).unref()
  return child
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch {
    // It has ended by itself in this moment.
  }
}

/** proc(5), /proc/PID/stat: "pid (name) state parent group ...". Nothing for a dead process. */
function statusOf(pid: number): { group: number } | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  const [state, , group] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  // A zombie only waits for its parent, which may be a slow process 1.
  return state === 'Z' || state === 'X' ? undefined : { group: Number(group) }
}

function listens(pid: number, port: number): boolean {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const entry = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    // proc(5): local address, remote address, state (0A is LISTEN), ..., inode
    .find((fields) => fields[1] === address && fields[3] === '0A')
  if (entry === undefined) return false
  try {
    const folder = `/proc/${pid}/fd`
    return readdirSync(folder).some((fd) => fdIs(`${folder}/${fd}`, `socket:[${entry[9]}]`))
  } catch {
    return false
  }
}

function fdIs(path: string, what: string): boolean {
  try {
    return readlinkSync(path) === what
  } catch {
    // Closed meanwhile.
    return false
  }
}
