import { UsageError } from '../errors.ts'
import type { Filter } from '../milter/filter-object.ts'
import type { Exact } from '../milter/handlers.ts'
import { FILTER_OPTIONS, filterSettings, type FilterOptions } from '../milter/options.ts'
import { ServersMet } from '../milter/mail-server/servers-met.ts'
import { MtaClient } from '../mta/client.ts'
import { CLIENT_OPTIONS, type MtaClientOptions } from '../mta/client-options.ts'
import type { Outcome } from '../mta/outcome.ts'
import { refuseOthers, TRANSACTION_FIELDS, type Transaction } from '../mta/transaction.ts'
import { checkNames } from '../options/validate.ts'
import { memoryChannel } from './memory-channel.ts'
import { recordingLogger, type LogLine } from './recording.ts'

/** A message of a test, with the mail server that sends it and the options of the filter. */
export interface TestTransaction extends Transaction, MtaClientOptions {
  /** options of the filter, as for `serve` */
  readonly filter?: FilterOptions | undefined
}

/** An outcome of {@link deliver}, with facts that are only known within the process. */
export interface TestOutcome extends Outcome {
  /** errors of handlers: what they threw, or returned instead of a verdict; the error policy answered for each */
  readonly errors: readonly unknown[]
  /** all lines that were logged */
  readonly log: readonly LogLine[]
}

type SessionOptions = MtaClientOptions & { readonly filter?: FilterOptions | undefined }

const SESSION_OPTIONS: readonly string[] = [...CLIENT_OPTIONS, 'filter']
const IN_TRANSACTION: ReadonlySet<string> = new Set(TRANSACTION_FIELDS)

/** Makes TypeScript refuse an object without any callback, which it accepts for "weak types". */
interface NotWeak {
  toString(): string
}

/** Default of the milliseconds that a filter has for one answer. */
const PATIENCE = 5_000

/**
 * Sends one message through a filter in memory, as Postfix or Sendmail would, and returns the outcome. `filter` is what
 * `serve` takes. It is called once, for the SMTP session.
 *
 *     const outcome = await deliver(filter, { mta: 'sendmail', message: 'Subject: x\n\nhello\n' })
 *     assert.equal(outcome.verdict, 'accept', outcome.trace.toString())
 *
 * If the filter fails, `deliver` does not throw. `outcome.failure` has the reason, and `outcome.errors` the errors of
 * its handlers.
 *
 * @throws UsageError INVALID_OPTION, also for an unknown field; INVALID_HANDLER
 */
export async function deliver<F extends Filter & NotWeak>(
  filter: () => F & Exact<F>,
  transaction: TestTransaction = {},
): Promise<TestOutcome> {
  refuseOthers('deliver', transaction, [...TRANSACTION_FIELDS, ...SESSION_OPTIONS])
  const session = await open('deliver', filter, transaction)
  try {
    const fields = Object.entries(transaction).filter(([name]) => IN_TRANSACTION.has(name))
    return await session.deliver(Object.fromEntries(fields))
  } finally {
    await session.close()
  }
}

/**
 * Opens an SMTP session with a filter in memory, for several messages one after the other.
 *
 *     await using session = await openSession(filter)
 *     const first = await session.deliver({ message: 'Subject: one\n\nhello\n' })
 *     const second = await session.deliver({ message: 'Subject: two\n\nhello\n' })
 */
export async function openSession<F extends Filter & NotWeak>(
  filter: () => F & Exact<F>,
  options: SessionOptions = {},
): Promise<TestSession> {
  refuseOthers('openSession', options, SESSION_OPTIONS)
  return await open('openSession', filter, options)
}

async function open<F extends Filter & NotWeak>(
  caller: string,
  filter: () => F & Exact<F>,
  options: SessionOptions,
): Promise<TestSession> {
  if (typeof filter !== 'function') {
    throw new UsageError(
      'INVALID_HANDLER',
      `${caller} takes the result of defineFilter, or a function that returns the handlers of one SMTP session: ${caller}(() => ({ eom(ctx) { ... } })); it got ${filter === null ? 'null' : typeof filter}`,
    )
  }
  if (options.filter !== undefined) checkNames('a filter', options.filter, FILTER_OPTIONS)
  const log: LogLine[] = []
  const settings = {
    ...filterSettings({ logger: recordingLogger(log), ...options.filter }),
    // The test itself says which mail server it plays.
    servers: new ServersMet(false),
  }
  const client = await MtaClient.over(memoryChannel(filter, settings), {
    timeouts: PATIENCE,
    ...options,
  })
  return new TestSession(client, log)
}

/** An SMTP session of {@link openSession}. */
export class TestSession implements AsyncDisposable {
  /** the side of the mail server, for single commands */
  readonly client: MtaClient
  /** all lines that were logged so far */
  readonly log: LogLine[]

  constructor(client: MtaClient, log: LogLine[]) {
    this.client = client
    this.log = log
  }

  /** Sends the next message of the session. CONNECT is sent before the first one, and HELO if it has changed. */
  async deliver(transaction: Transaction = {}): Promise<TestOutcome> {
    const start = this.log.length
    const outcome = await this.client.deliver(transaction)
    const log = this.log.slice(start)
    return { ...outcome, log, errors: log.flatMap(errorOf) }
  }

  /** Ends the SMTP session. Resolves when the filter's `close` has run. */
  async close(): Promise<void> {
    await this.client.quit()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Lines of level debug are about handlers that failed after they were cut off, so they do not count. */
function errorOf({ level, fields }: LogLine): unknown[] {
  return fields['err'] === undefined || level === 'debug' ? [] : [fields['err']]
}
