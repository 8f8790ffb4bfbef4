import type { Running } from '../cli/support/command.ts'

/** What a command logs as text, counted and forgotten: in minutes under load it is too much to keep. */
export class Journal {
  /** how often each line came, without its fields */
  readonly counts = new Map<string, number>()
  readonly #running: Running

  constructor(running: Running) {
    this.#running = running
  }

  /** Reads what has been said since. */
  read(): void {
    const text = this.#running.said
    const end = text.lastIndexOf('\n') + 1
    this.#running.said = text.slice(end)
    for (const line of text.slice(0, end).split('\n')) {
      const [, what] = /^[\d:.]+ ((?:DEBUG|INFO|WARN|ERROR) .*?)(?= \w+=|$)/.exec(line) ?? []
      if (what !== undefined) this.counts.set(what, this.count(what) + 1)
    }
  }

  count(what: string): number {
    return this.counts.get(what) ?? 0
  }

  /** Lines that are neither information nor among the expected. */
  unexpected(expected: readonly RegExp[]): string[] {
    return [...this.counts.keys()].filter(
      (line) => !line.startsWith('INFO') && !expected.some((pattern) => pattern.test(line)),
    )
  }
}
