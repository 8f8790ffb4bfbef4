/**
 * A field that says that a filter has made its copy already, for messages that come through it twice. It has a key, so
 * nobody else can write it, and it only counts if the client is one of yours, so nobody can send it again.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { UsageError } from '../../errors.ts'
import type { Mail } from '../../message/mail.ts'
import { codeOf } from '../../net/system-error.ts'

export const MARK_FIELD = 'X-Tsmilter-Copied'
/** Who wrote it, and when, and what about. The envelope is another one at each hop. */
const FIELDS = ['From', 'Date', 'Message-ID', 'Subject', 'To', 'Cc']
/** A message has few; the others are not looked at. */
const MAX_MARKS = 20
const MIN_KEY = 16

export class LoopMark {
  readonly #key: Buffer
  readonly #name: string

  /**
   * @param name of the filter, so that each has a mark of its own
   * @throws UsageError INVALID_OPTION
   */
  constructor(option: string, file: string, name: string) {
    this.#key = readKey(option, file)
    // It is one word of a field.
    this.#name = name.replaceAll(/[^!-~]/g, '_')
  }

  /** The mark of a message as it is now. */
  async of(mail: Mail): Promise<string> {
    const hash = createHash('sha256')
    for (const name of FIELDS) {
      for (const { value } of mail.headers.fields(name)) {
        hash.update(`${name}:${value.replaceAll(/\s+/g, ' ').trim()}\n`)
      }
    }
    for await (const piece of mail.body) hash.update(piece)
    const mac = createHmac('sha256', this.#key)
    mac.update(`${this.#name}\0`).update(hash.digest())
    return `${this.#name} ${mac.digest('hex').slice(0, 32)}`
  }

  isIn(mail: Mail, mark: string): boolean {
    const wanted = Buffer.from(mark)
    return mail.headers
      .fields(MARK_FIELD)
      .slice(0, MAX_MARKS)
      .some(({ value }) => {
        const given = Buffer.from(value.trim())
        return given.length === wanted.length && timingSafeEqual(given, wanted)
      })
  }
}

function readKey(option: string, file: string): Buffer {
  let key: Buffer
  try {
    key = Buffer.from(readFileSync(file, 'latin1').trim(), 'latin1')
  } catch (cause) {
    const text = `${option}: ${file} cannot be read (${codeOf(cause)})`
    throw new UsageError('INVALID_OPTION', text, { cause })
  }
  if (key.length >= MIN_KEY) return key
  throw new UsageError(
    'INVALID_OPTION',
    `${option}: ${file} has ${key.length} bytes; a key has at least ${MIN_KEY}. Make one with: openssl rand -hex 32`,
  )
}
