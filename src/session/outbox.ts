import type { Transport } from './events.ts'

const NONE: readonly Buffer[] = []

/**
 * The frames that answer what was read. Nearly always it is one, and an array that is emptied after each
 * answer has its memory taken away and allocated anew every time.
 */
export class Outbox {
  #first: Buffer | undefined
  #rest: Buffer[] | undefined

  push(frame: Buffer): void {
    if (this.#first === undefined) this.#first = frame
    else if (this.#rest === undefined) this.#rest = [frame]
    else this.#rest.push(frame)
  }

  flush(transport: Transport): void {
    const first = this.#first
    if (first === undefined) return
    const rest = this.#rest ?? NONE
    this.#first = undefined
    this.#rest = undefined
    transport.send(first, rest)
  }
}
