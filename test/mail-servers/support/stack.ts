import { mkdtemp, rm, chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import {
  serve,
  silentLogger,
  type FilterFactory,
  type Handlers,
  type MilterServer,
  type ServeOptions,
} from '../../../src/index.ts'
import { postfixMissing, sendmailMissing } from './available.ts'
import { installedVersion } from './installed.ts'
import type { MailServer, StartOptions } from './mail-server.ts'
import { startPostfix } from './postfix.ts'
import { startSendmail } from './sendmail.ts'
import { SmtpClient } from './smtp.ts'
import type { Delivered } from './sink.ts'

export type ServerName = MailServer['name']

export interface Kind {
  readonly name: ServerName
  missing(): string | undefined
  start(options: StartOptions): Promise<MailServer>
}

const KINDS: readonly Kind[] = [
  { name: 'postfix', missing: postfixMissing, start: startPostfix },
  { name: 'sendmail', missing: sendmailMissing, start: startSendmail },
]

/**
 * The same tests for each mail server. One that is not here is skipped with the line that says how
 * to get it; with TSMILTER_REQUIRE_MTA=1 that is a failure.
 */
export function eachServer(title: string, tests: (kind: Kind) => void): void {
  for (const kind of KINDS) {
    const missing = kind.missing()
    if (missing !== undefined && process.env['TSMILTER_REQUIRE_MTA'] === '1') {
      it(`${title}: ${kind.name}`, () => {
        throw new Error(missing)
      })
      continue
    }
    if (missing === undefined) {
      describe(`${title}: ${kind.name} ${installedVersion(kind.name)}`, () => tests(kind))
    } else it(`${title}: ${kind.name}`, { skip: missing }, () => {})
  }
}

/** A real mail server with our filter behind it. What the filter does can be changed at any time. */
export class Stack implements AsyncDisposable {
  readonly mta: MailServer
  /** the handlers of SMTP sessions from now on */
  filter: FilterFactory = () => ({})
  milter: MilterServer
  readonly #directory: string | undefined
  readonly #listen: string

  private constructor(
    mta: MailServer,
    milter: MilterServer,
    listen: string,
    directory?: string,
  ) {
    this.mta = mta
    this.milter = milter
    this.#listen = listen
    this.#directory = directory
  }

  static async start(
    kind: Kind,
    options: Partial<ServeOptions> & { mta?: Partial<StartOptions>; unix?: boolean } = {},
  ): Promise<Stack> {
    const { mta: mtaOptions, unix, ...rest } = options
    let directory: string | undefined
    if (unix) {
      directory = await mkdtemp(join(tmpdir(), 'tsmilter-'))
      await chmod(directory, 0o755)
    }
    const listen =
      directory === undefined ? 'inet:0@127.0.0.1' : `unix:${join(directory, 'filter.sock')}`
    let stack: Stack | undefined
    // Tried once, before there is a stack.
    const milter = await serve(() => (stack?.filter() ?? {}) as Handlers, {
      listen,
      unixSocket: { mode: 0o666 },
      logger: silentLogger(),
      ...rest,
    })
    try {
      const mta = await kind.start({ milters: milter.addresses, ...mtaOptions })
      stack = new Stack(mta, milter, milter.addresses[0]!, directory)
      return stack
    } catch (error) {
      await milter.close({ deadline: 0 })
      throw error
    }
  }

  /** Stops the filter and starts it again at the same address. */
  async restartMilter(options: Partial<ServeOptions> = {}): Promise<void> {
    await this.milter.close({ quiet: 0, deadline: 5_000 })
    this.milter = await serve(() => this.filter() as Handlers, {
      listen: this.#listen,
      unixSocket: { mode: 0o666 },
      logger: silentLogger(),
      ...options,
    })
  }

  async client(): Promise<SmtpClient> {
    const client = await SmtpClient.connect(this.mta.port)
    return client
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mta.stop()
    await this.milter.close({ deadline: 0 })
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true })
  }
}

/** A message as most tests send it: every field a mail server would otherwise add is there. */
export function message(
  lines: readonly (string | Buffer)[] = [],
  body: string | Buffer = 'Hello\r\n',
): Buffer {
  const head = [
    'From: alice@example.test',
    'To: bob@example.test',
    'Date: Tue, 24 Nov 2026 10:00:00 +0000',
    'Message-ID: <1@example.test>',
    'Subject: original',
    ...lines,
  ]
  const parts = head.flatMap((line) => [bytesOf(line), CRLF])
  return Buffer.concat([...parts, CRLF, bytesOf(body)])
}

const CRLF = Buffer.from('\r\n')
const bytesOf = (text: string | Buffer): Buffer =>
  typeof text === 'string' ? Buffer.from(text, 'latin1') : text

/** A delivered message without the one Received field of the mail server itself. */
export const withoutReceived = (delivered: Delivered): Buffer => withReceived(delivered, '')

/** A delivered message with something else in the place of the mail server's own Received field. */
export function withReceived({ data }: Delivered, placeholder: string): Buffer {
  const text = data.toString('latin1')
  // A filter may have put another one above it, and a client below.
  const own = [...text.matchAll(/^Received: [^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n/gm)].find(
    ([field]) => /\bby mx\./.test(field),
  )
  if (own === undefined) throw new Error('the mail server added no Received field')
  return Buffer.from(
    text.slice(0, own.index) + placeholder + text.slice(own.index + own[0].length),
    'latin1',
  )
}

export const FROM = '<alice@example.test>'
export const TO = '<bob@example.test>'
