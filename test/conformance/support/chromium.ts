import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

/**
 * Chromium without a window, driven over its DevTools pipe: messages of JSON that end in NUL, in on
 * descriptor 3 and out on 4 (`--remote-debugging-pipe`).
 */

interface Message {
  readonly id?: number
  readonly sessionId?: string
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly result?: Record<string, unknown>
  readonly error?: { readonly message: string }
}

interface Waiting {
  readonly resolve: (result: Record<string, unknown>) => void
  readonly reject: (error: Error) => void
}

export type OnEvent = (method: string, params: Record<string, unknown>) => void

export class Chromium {
  readonly #child: ChildProcess
  readonly #directory: string
  readonly #input: Writable
  readonly #waiting = new Map<number, Waiting>()
  readonly #sessions = new Map<string, OnEvent>()
  #id = 0
  #pieces: Buffer[] = []
  #said = ''

  /** @param port where every connection goes, whatever host and port it is meant for */
  constructor(port: number) {
    this.#directory = mkdtempSync(join(tmpdir(), 'tsmilter-chromium-'))
    const child = spawn('chromium', [...FLAGS, ...this.#flags(port)], {
      env: { PATH: process.env['PATH'], HOME: this.#directory, LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
      // With its own children it is ended as a group.
      detached: true,
    })
    this.#child = child
    this.#input = child.stdio[3] as Writable
    child.stderr!.on('data', (text: Buffer) => (this.#said += text.toString()))
    child.stdio[4]!.on('error', () => {})
    this.#input.on('error', () => {})
    ;(child.stdio[4] as Readable).on('data', (piece: Buffer) => this.#read(piece))
    child.on('error', (error) => this.#fail(error))
    child.on('exit', (code) =>
      this.#fail(new Error(`chromium ended (${code}):\n${this.#said}`)),
    )
  }

  #flags(port: number): string[] {
    return [
      `--host-resolver-rules=MAP * 127.0.0.1:${port}`,
      `--user-data-dir=${this.#directory}`,
      'about:blank',
    ]
  }

  /** Calls a method of the protocol; without a session one of the browser. */
  async call(
    method: string,
    params: Record<string, unknown> = {},
    sessionId?: string,
  ): Promise<Record<string, unknown>> {
    const id = ++this.#id
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    })
  }

  /** A tab in a window of its own, so that it is drawn; gives its session. */
  async tab(onEvent: OnEvent): Promise<string> {
    const made = await this.call('Target.createTarget', { url: 'about:blank', newWindow: true })
    const target = { targetId: made['targetId'], flatten: true }
    const sessionId = (await this.call('Target.attachToTarget', target))['sessionId'] as string
    this.#sessions.set(sessionId, onEvent)
    return sessionId
  }

  #read(piece: Buffer): void {
    let rest = piece
    for (let end = rest.indexOf(0); end !== -1; end = rest.indexOf(0)) {
      const text = Buffer.concat([...this.#pieces, rest.subarray(0, end)]).toString()
      this.#pieces = []
      rest = rest.subarray(end + 1)
      this.#take(JSON.parse(text) as Message)
    }
    this.#pieces.push(rest)
  }

  #take({ id, sessionId, method, params, result, error }: Message): void {
    if (id === undefined) {
      if (sessionId !== undefined) this.#sessions.get(sessionId)?.(method!, params ?? {})
      return
    }
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(result ?? {})
    else waiting?.reject(new Error(error.message))
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  /** Ends it and its children. */
  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    try {
      process.kill(-this.#child.pid!, 'SIGKILL')
      await ended
    } catch {
      // It has ended by itself.
    }
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  }
}

const FLAGS = [
  '--headless',
  '--remote-debugging-pipe',
  // As root there is no sandbox; nothing but the trap can be reached.
  '--no-sandbox',
  '--no-proxy-server',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-extensions',
  '--disable-sync',
  '--disable-domain-reliability',
  '--metrics-recording-only',
  '--mute-audio',
  '--autoplay-policy=no-user-gesture-required',
  // Tabs that nobody sees are drawn and run as others.
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  '--disable-hang-monitor',
  '--disable-ipc-flooding-protection',
  // Frames of other origins stay in the process of their tab, where what they run is seen.
  '--disable-site-isolation-trials',
  '--renderer-process-limit=2',
  '--disable-features=BackForwardCache,ProactivelySwapBrowsingInstance,Prerender2,IsolateOrigins,site-per-process,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,MediaRouter,OptimizationHints,Translate',
]
