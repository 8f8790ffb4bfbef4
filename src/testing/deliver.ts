import { UsageError } from '../errors.ts'
import type { Filter } from '../milter/filter-object.ts'
import type { Exact } from '../milter/handlers.ts'
import { filterSettings, type FilterOptions } from '../milter/options.ts'
import { ServersMet } from '../milter/mail-server/servers-met.ts'
import { MtaClient } from '../mta/client.ts'
import { CLIENT_OPTIONS, type MtaClientOptions } from '../mta/client-options.ts'
import type { Outcome } from '../mta/outcome.ts'
import { refuseOthers, TRANSACTION_FIELDS, type Transaction } from '../mta/transaction.ts'
import { memoryChannel } from './memory-channel.ts'
import { recordingLogger, type LogLine } from './recording.ts'

/** How a message is delivered in a test: the message, the server, and the filter's options. */
export interface TestTransaction extends Transaction, MtaClientOptions {
  /** options the filter would be served with */
  readonly filter?: FilterOptions | undefined
}

/** An outcome of {@link deliver}, with what can only be seen inside the process. */
export interface TestOutcome extends Outcome {
  /** what handlers have thrown, or answered that is no verdict; each became the policy's verdict */
  readonly errors: readonly unknown[]
  /** everything that was logged */
  readonly log: readonly LogLine[]
}

type SessionOptions = MtaClientOptions & { readonly filter?: FilterOptions | undefined }

const SESSION_OPTIONS: readonly string[] = [...CLIENT_OPTIONS, 'filter']
const IN_TRANSACTION: ReadonlySet<string> = new Set(TRANSACTION_FIELDS)

/** Keeps TypeScript from passing over an object that has no callback at all ("weak types"). */
interface NotWeak {
  toString(): string
}

/** Milliseconds a filter has for one answer, if the test does not say otherwise. */
const PATIENCE = 5_000

/**
 * Sends one message through a filter, in memory, as Postfix or Sendmail would, and tells what becomes
 * of it. `filter` is what `serve` takes: it is called once for the SMTP session.
 *
 *     const outcome = await deliver(filter, { mta: 'sendmail', message: 'Subject: x\n\nhello\n' })
 *     assert.equal(outcome.verdict, 'accept', outcome.trace.toString())
 *
 * A filter that fails is not an exception but an outcome: `outcome.failure` has the reason,
 * `outcome.errors` what its handlers have thrown.
 *
 * @throws UsageError INVALID_OPTION also for a field that does not exist, INVALID_HANDLER
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

/** One SMTP session with a filter in memory, for several messages one after the other. */
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
      `${caller} takes what defineFilter has made, or a function that makes the handlers of one SMTP session: ${caller}(() => ({ eom(ctx) { ... } })); it got ${filter === null ? 'null' : typeof filter}`,
    )
  }
  const log: LogLine[] = []
  const settings = {
    ...filterSettings({ logger: recordingLogger(log), ...options.filter }),
    // The test knows which server it plays.
    servers: new ServersMet(false),
  }
  const client = await MtaClient.over(memoryChannel(filter, settings), {
    timeouts: PATIENCE,
    ...options,
  })
  return new TestSession(client, log)
}

export class TestSession implements AsyncDisposable {
  /** the mail server's side, for single commands */
  readonly client: MtaClient
  readonly log: LogLine[]

  constructor(client: MtaClient, log: LogLine[]) {
    this.client = client
    this.log = log
  }

  /** The next message of the session. CONNECT is sent for the first, HELO where it has changed. */
  async deliver(transaction: Transaction = {}): Promise<TestOutcome> {
    const start = this.log.length
    const outcome = await this.client.deliver(transaction)
    const log = this.log.slice(start)
    return { ...outcome, log, errors: log.flatMap(errorOf) }
  }

  /** The end of the SMTP session; resolves when the filter's `close` has run. */
  async close(): Promise<void> {
    await this.client.quit()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Level debug tells of handlers that fail when nobody waits for them any longer. */
function errorOf({ level, fields }: LogLine): unknown[] {
  return fields['err'] === undefined || level === 'debug' ? [] : [fields['err']]
}
