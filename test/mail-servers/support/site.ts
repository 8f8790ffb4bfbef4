import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeDirectory, removeDirectory } from './directory.ts'
import type { HeldMessage, MailServer } from './mail-server.ts'
import { PortTaken, ServerProcess, withFreePort } from './server-process.ts'
import { Sink } from './sink.ts'

/** What one server stands on: a directory, a port, a sink, and whatever has to be undone. */
export class Site {
  readonly directory: string
  readonly port: number
  readonly sink: Sink
  /** The file the server's log goes to. */
  readonly logFile: string
  readonly #undo: (() => void | Promise<void>)[] = []
  #closing: Promise<void> | undefined

  private constructor(directory: string, port: number, sink: Sink) {
    this.directory = directory
    this.port = port
    this.sink = sink
    this.logFile = this.path('mail.log')
    this.defer(() => removeDirectory(directory))
    this.defer(() => sink.close())
  }

  static async open(name: string, port: number): Promise<Site> {
    const directory = makeDirectory(name)
    return new Site(directory, port, await Sink.start())
  }

  path(...names: string[]): string {
    return join(this.directory, ...names)
  }

  log(): string {
    try {
      return readFileSync(this.logFile, 'latin1')
    } catch {
      // Nothing has been logged yet.
      return ''
    }
  }

  /** Starts the server's main process and waits until it listens. */
  async launch(program: string, args: readonly string[], env?: NodeJS.ProcessEnv) {
    const process = await ServerProcess.start(program, args, {
      output: this.path('start.out'),
      directory: this.directory,
      ...(env && { env }),
    })
    this.defer(() => process.stop())
    await process.listening(this.port, () => this.log())
  }

  /** Something to be done at the end, the latest first. */
  defer(undo: () => void | Promise<void>): void {
    this.#undo.push(undo)
  }

  /** Undoes everything, once, even if a step fails; the first failure is thrown at the end. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async #close(): Promise<void> {
    const errors: unknown[] = []
    for (const undo of this.#undo.toReversed()) {
      try {
        await undo()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}

/** The half of a mail server that Postfix and Sendmail share. */
export abstract class PrivateServer implements MailServer {
  abstract readonly name: 'postfix' | 'sendmail'
  protected readonly site: Site

  constructor(site: Site) {
    this.site = site
  }

  get port(): number {
    return this.site.port
  }

  get sink(): Sink {
    return this.site.sink
  }

  get directory(): string {
    return this.site.directory
  }

  log(): string {
    return this.site.log()
  }

  abstract held(): Promise<HeldMessage[]>
  abstract queued(): Promise<number>

  async idle(timeoutMs = 30_000): Promise<void> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const count = await this.queued()
      if (count === 0) return
      if (Date.now() > deadline) {
        const waited = `${count} messages still queued after ${timeoutMs / 1000} s`
        throw new Error(`${waited}:\n${this.log()}`)
      }
      await sleep(10)
    }
  }

  async stop(): Promise<void> {
    await this.site.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** Starts a server on a new site. If that fails, nothing of it is left. */
export async function startOnSite<S extends MailServer>(
  name: S['name'],
  start: (site: Site) => Promise<S>,
): Promise<S> {
  return await withFreePort(async (port) => {
    const site = await Site.open(name, port)
    try {
      return await start(site)
    } catch (error) {
      await site.close()
      if (error instanceof PortTaken) throw error
      const reason = error instanceof Error ? error.message : String(error)
      throw new Error(`${name} did not start: ${reason}`, { cause: error })
    }
  })
}
