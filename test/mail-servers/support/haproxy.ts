import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { haproxyMissing, repository } from './available.ts'
import { findProgram } from './command.ts'
import { makeDirectory, removeDirectory } from './directory.ts'
import { ServerProcess, withFreePort } from './server-process.ts'

/** HAProxy as contrib/haproxy/haproxy.cfg has it, in front of two instances. */
export class Balancer implements AsyncDisposable {
  /** where the mail server finds it, as libmilter writes addresses */
  readonly address: string
  readonly #process: ServerProcess
  readonly #directory: string

  private constructor(address: string, process: ServerProcess, directory: string) {
    this.address = address
    this.#process = process
    this.#directory = directory
  }

  /**
   * @param one host and port, of a milter over TCP
   * @param readyPort where both say whether they are ready, on their own hosts
   */
  static async start(one: string, two: string, readyPort: number): Promise<Balancer> {
    const missing = haproxyMissing()
    if (missing !== undefined) throw new Error(missing)
    const directory = makeDirectory('haproxy')
    try {
      return await withFreePort(async (port) => {
        const file = join(directory, 'haproxy.cfg')
        const sample = readFileSync(join(repository(), 'contrib/haproxy/haproxy.cfg'), 'utf8')
        const config = [
          'global',
          `    stats socket ${join(directory, 'stats')}`,
          replaced(sample, {
            '127.0.0.1:8890': `127.0.0.1:${port}`,
            '192.0.2.11:8890': one,
            '192.0.2.12:8890': two,
            'port 9464': `port ${readyPort}`,
            // So that tests need not wait.
            'inter 2s': 'inter 100ms',
          }),
        ].join('\n')
        writeFileSync(file, config)
        const process = await ServerProcess.start(
          findProgram('haproxy')!,
          ['-db', '-f', file],
          {
            output: join(directory, 'haproxy.log'),
            directory,
          },
        )
        try {
          await process.listening(port, () => '')
        } catch (error) {
          await process.stop()
          throw error
        }
        return new Balancer(`inet:${port}@127.0.0.1`, process, directory)
      })
    } catch (error) {
      removeDirectory(directory)
      throw error
    }
  }

  /** Waits until it takes an instance for well, or not. */
  async sees(name: 'one' | 'two', state: 'UP' | 'DOWN'): Promise<void> {
    for (const end = Date.now() + 30_000; ; await sleep(20)) {
      const { status } = await this.#row(name)
      if (status === state) return
      if (Date.now() > end) throw new Error(`${name} is ${status} and not ${state}`)
    }
  }

  /** Sessions an instance has been given so far. */
  async sessions(name: 'one' | 'two'): Promise<number> {
    return Number((await this.#row(name))['stot'])
  }

  /** What HAProxy tells of an instance: `show stat`, a table of CSV. */
  async #row(name: string): Promise<Record<string, string>> {
    const socket = connect(join(this.#directory, 'stats'))
    socket.end('show stat\n')
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    const [head, ...rows] = text
      .replace(/^# /, '')
      .split('\n')
      .map((line) => line.split(','))
    const row = rows.find(([backend, server]) => backend === 'filters' && server === name)
    return Object.fromEntries(head!.map((key, index) => [key, row?.[index] ?? '']))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop()
    removeDirectory(this.#directory)
  }
}

function replaced(text: string, words: Readonly<Record<string, string>>): string {
  return Object.entries(words).reduce((all, [from, to]) => {
    if (!all.includes(from)) throw new Error(`there is no ${from} in haproxy.cfg`)
    return all.replaceAll(from, to)
  }, text)
}
