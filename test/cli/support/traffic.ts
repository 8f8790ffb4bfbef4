import assert from 'node:assert/strict'
import { connect, field, MESSAGE, until } from './command.ts'

/**
 * Ordinary mail that goes on beside whatever a test does to a running command whose filter puts
 * `X-Seen: test` on each message. Every answer is checked; a wrong one fails the test at the next word.
 */
export class Traffic implements AsyncDisposable {
  /** messages that were answered as they should */
  answered = 0
  readonly #address: string
  readonly #done: Promise<void>
  #over = false
  #failure: unknown

  constructor(address: string) {
    this.#address = address
    this.#done = this.#flow().catch((error: unknown) => {
      this.#failure = error
    })
  }

  /** Three messages a connection. */
  async #flow(): Promise<void> {
    while (!this.#over) {
      await using client = await connect(this.#address)
      for (let n = 0; n < 3; n++) {
        const outcome = await client.deliver({ message: MESSAGE })
        assert.equal(outcome.verdict, 'accept')
        assert.equal(field(outcome, 'X-Seen'), 'test')
        this.answered++
      }
    }
  }

  /** Waits until more has been answered. */
  async goesOn(messages = 6): Promise<void> {
    const wanted = this.answered + messages
    await until(`ordinary mail, ${wanted} messages`, () => {
      if (this.#failure !== undefined) throw this.#failure
      return this.answered >= wanted
    })
  }

  async stop(): Promise<void> {
    this.#over = true
    await this.#done
    if (this.#failure !== undefined) throw this.#failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true
    await this.#done
  }
}
