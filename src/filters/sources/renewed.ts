/**
 * What was read from files, and is read again when they change. A file with a mistake changes nothing: what was read before
 * stays, and the log says so.
 */
import { stat } from 'node:fs/promises'
import type { Logger } from '../../diagnostics/log.ts'
import { UsageError } from '../../errors.ts'

/** Milliseconds between two looks at the files. */
const LOOK_EVERY = 10_000

export class Renewed<Value> {
  readonly #files: readonly string[]
  readonly #read: () => Promise<Value>
  readonly #clock: () => number
  #value: Value
  #version: string
  #nextLook: number
  #looking = false

  private constructor(
    files: readonly string[],
    read: () => Promise<Value>,
    clock: () => number,
    value: Value,
    version: string,
  ) {
    this.#files = files
    this.#read = read
    this.#clock = clock
    this.#value = value
    this.#version = version
    this.#nextLook = clock() + LOOK_EVERY
  }

  /**
   * @param option whose value names the files, for errors
   * @param clock milliseconds; for tests
   * @throws UsageError INVALID_OPTION if they cannot be read now
   */
  static async open<Value>(
    option: string,
    files: readonly string[],
    read: () => Promise<Value>,
    clock: () => number = Date.now,
  ): Promise<Renewed<Value>> {
    try {
      // Before it is read: a change in between is seen at the next look.
      const version = await versionOf(files)
      return new Renewed(files, read, clock, await read(), version)
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause)
      throw new UsageError('INVALID_OPTION', `the option ${option}: ${text}`, { cause })
    }
  }

  /** What is known now. It never waits: a look at the files goes on beside it. */
  current(log: Logger): Value {
    if (!this.#looking && this.#files.length > 0 && this.#clock() >= this.#nextLook) {
      this.#looking = true
      this.#nextLook = this.#clock() + LOOK_EVERY
      void this.#look(log).finally(() => (this.#looking = false))
    }
    return this.#value
  }

  async #look(log: Logger): Promise<void> {
    const files = this.#files.join(' ')
    try {
      const version = await versionOf(this.#files)
      if (version === this.#version) return
      // A version that cannot be read is told once.
      this.#version = version
      this.#value = await this.#read()
      log.info({ files }, 'files have changed and were read again')
    } catch (err) {
      const reason = err instanceof Error ? err.message : String(err)
      log.warn(
        { files, reason },
        'files have changed and cannot be read: the old content stays',
      )
    }
  }
}

async function versionOf(files: readonly string[]): Promise<string> {
  const all = await Promise.all(files.map(async (file) => await stat(file)))
  return all.map(({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`).join(', ')
}
