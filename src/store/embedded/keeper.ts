/**
 * The process that has the files of a store open, alone, and makes the steps of all others. It runs nothing else, so
 * its transactions can be synchronous: nobody waits for its event loop but those who wait for the transaction.
 *
 * Why one process: lmdb 3.5.6 does not survive several. A process that opens the files sets the number of the last
 * transaction to the one it has read, without a lock (mdb.c, mdb_env_open2: `mti_txnid = meta.mm_txnid`), and the
 * transaction that another one has committed in between is overwritten. A second opening in a process closes a
 * descriptor of the lock file, and with it all locks of the process (fcntl(2)).
 */
import type { Socket } from 'node:net'
import { MilterError, StoreError } from '../../errors.ts'
import { answerOf, Lines, MAX_LINE, monotonic, stepOf, VERSION } from './calls.ts'
import type { Answer, Call, Request } from './calls.ts'
import { checkFile, unavailable } from './files.ts'
import { loadLmdb, type Database } from './lmdb.ts'
import { EmbeddedRecords } from './records.ts'

/** Steps in one transaction. */
const MAX_BATCH = 500
/** Requests that wait, and their characters. Above, no connection is read until there are few. */
const MANY = 5_000
const MUCH = 16_777_216
const FEW = 500
/** Bytes of answers that a client has not read. It is stopped, or does not read: its connection is cut. */
const MAX_UNREAD = 16_777_216
/** Records that one transaction cleans: more than it can add, so that what has expired does not pile up. */
const SWEEP = 200
/** What has expired is looked for this often, if nothing is written. */
const SWEEP_INTERVAL = 10_000
/** A keeper ends if nobody has come by then. */
const FIRST_CLIENT = 10_000

interface Waiting {
  readonly client: Client
  readonly request: Request
  /** characters */
  readonly size: number
}

export class Keeper {
  readonly #path: string
  readonly #clients = new Set<Client>()
  readonly #queue: Waiting[] = []
  /** characters in the queue */
  #size = 0
  #records: EmbeddedRecords | undefined
  #database: Database | undefined
  #failed: StoreError | undefined
  #scheduled = false
  #sweepWanted = false
  /** the clock of the last step, so that a test decides what has expired */
  #now: () => number = Date.now
  #ending = false

  constructor(path: string) {
    this.#path = path
  }

  /** @throws StoreError STORE_UNAVAILABLE, STORE_FULL */
  async open(maxSize: number): Promise<void> {
    const lmdb = await loadLmdb()
    await checkFile(this.#path)
    const database = lmdb.open({
      path: this.#path,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      // Only address space. The files grow as they are used, and the store sees to it that they stay below maxSize.
      mapSize: 2 * maxSize,
      permissionsMode: 0o600,
      // A commit waits for the disk.
      overlappingSync: false,
      eventTurnBatching: false,
    })
    const records = new EmbeddedRecords(database, maxSize)
    database.transactionSync(() => records.checkFormat(this.#path))
    this.#database = database
    this.#records = records
    setInterval(() => this.#sweepLater(), SWEEP_INTERVAL).unref()
    setTimeout(() => this.#endIfUnused(), FIRST_CLIENT).unref()
    this.#work()
  }

  /** Gives all who ask the reason, and ends. */
  async fail(error: StoreError): Promise<never> {
    this.#failed = error
    this.#work()
    // The last of those who wait for this keeper may be connecting.
    await new Promise((resolve) => setTimeout(resolve, 100))
    process.exit(1)
  }

  serve(socket: Socket): void {
    const client = new Client(socket, (request, size) => {
      this.#clients.add(client)
      this.#queue.push({ client, request, size })
      this.#size += size
      if (this.#queue.length >= MANY || this.#size > MUCH) {
        for (const each of this.#clients) each.pause()
      }
      this.#schedule()
    })
    socket.on('end', () => {
      this.#clients.delete(client)
      if (!this.#endIfUnused()) socket.end()
    })
    socket.on('close', () => {
      this.#clients.delete(client)
      this.#endIfUnused()
    })
  }

  #endIfUnused(): boolean {
    if (this.#clients.size > 0 || this.#database === undefined || this.#ending) return false
    this.#ending = true
    // The socket listens to the end. So nobody else opens the files before they are closed.
    this.#database.close().then(
      () => process.exit(0),
      () => process.exit(1),
    )
    return true
  }

  #sweepLater(): void {
    if (this.#ending || !this.#records!.hasExpired(this.#now())) return
    this.#sweepWanted = true
    this.#schedule()
  }

  /** Lets all requests come that are there already: they share a transaction. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#work()
    })
  }

  #work(): void {
    if (this.#ending) return
    if (this.#failed !== undefined) {
      for (const { client, request } of this.#queue.splice(0)) {
        client.answer(answerOf(request.number, this.#failed))
      }
      for (const client of this.#clients) client.flush()
      return
    }
    if (this.#records === undefined) return
    const batch = this.#queue.slice(0, MAX_BATCH)
    if (batch.length > 0 || this.#sweepWanted) {
      const made = this.#make(batch, this.#records, this.#database!)
      for (const { size } of this.#queue.splice(0, made)) this.#size -= size
      for (const client of this.#clients) client.flush()
    }
    if (this.#queue.length < FEW) for (const each of this.#clients) each.resume()
    if (this.#queue.length > 0 || this.#sweepWanted) this.#schedule()
  }

  /** Makes requests, in a transaction if they may write. @returns how many, from the first on */
  #make(batch: readonly Waiting[], records: EmbeddedRecords, database: Database): number {
    let made = 0
    const answers: Answer[] = []
    const action = (): void => {
      records.begin()
      for (const { request } of batch) {
        if (records.hasWrittenMuch()) break
        answers.push(this.#answer(request, records))
        made++
      }
    }
    const writes = batch.some(({ request: { call } }) => !READS.has(call.method))
    try {
      if (writes || this.#sweepWanted) {
        database.transactionSync(() => {
          action()
          this.#sweepWanted = records.sweep(this.#now(), 2 * made + SWEEP)
        })
      } else {
        action()
        // An open snapshot would keep old pages in use.
        database.resetReadTxn()
      }
    } catch (error) {
      // Nothing of it was committed.
      this.#sweepWanted = false
      const failure = unavailable(this.#path, error)
      made = batch.length
      for (const { client, request } of batch) client.answer(answerOf(request.number, failure))
      // A full disk leaves LMDB as it was. After another error it cannot go on (MDB_FATAL_ERROR): a new keeper can.
      if (failure.code !== 'STORE_FULL') void this.fail(failure)
      return made
    }
    for (const [i, answer] of answers.entries()) batch[i]!.client.answer(answer)
    return made
  }

  #answer(request: Request, records: EmbeddedRecords): Answer {
    const { number, call, until, now: given } = request
    const clock = given === undefined ? Date.now : () => given
    const now = clock()
    try {
      if (call.method === 'open') return this.#greet(number, call, records)
      // Nobody waits for the answer.
      if (monotonic() > until) return { number }
      if (call.method === 'read') return { number, result: records.readValid(call.name, now) }
      if (call.method === 'list') {
        return { number, result: records.list(call.prefix, call.after, now) }
      }
      this.#now = clock
      const { result, changes } = stepOf(call)((name) => records.readValid(name, now), now)
      records.make(changes, now)
      return { number, result }
    } catch (error) {
      // Such an error comes before the first change of a step. After another one, nothing of the batch is committed.
      if (error instanceof MilterError) return answerOf(number, error)
      throw error
    }
  }

  #greet(number: number, call: OpenCall, records: EmbeddedRecords): Answer {
    if (call.version !== VERSION) {
      throw new StoreError(
        'STORE_UNAVAILABLE',
        `the store ${this.#path} is kept by another version of tsmilter: stop all processes that use it`,
      )
    }
    records.maxSize = call.maxSize
    return { number }
  }
}

type OpenCall = Extract<Call, { readonly method: 'open' }>

const READS: ReadonlySet<string> = new Set(['open', 'read', 'list'])

/** The connection of a process that uses the store. */
class Client {
  readonly #socket: Socket
  readonly #lines = new Lines(MAX_LINE)
  #answers: string[] = []

  constructor(socket: Socket, onRequest: (request: Request, size: number) => void) {
    this.#socket = socket
    socket.setEncoding('utf8')
    socket.on('error', () => {})
    socket.on('data', (text: string) => {
      try {
        for (const line of this.#lines.take(text)) {
          onRequest(JSON.parse(line) as Request, line.length)
        }
      } catch {
        // What cannot be read was not written by this package.
        socket.destroy()
      }
    })
  }

  answer(answer: Answer): void {
    this.#answers.push(`${JSON.stringify(answer)}\n`)
  }

  flush(): void {
    if (this.#answers.length === 0) return
    this.#socket.write(this.#answers.join(''))
    this.#answers = []
    if (this.#socket.writableLength > MAX_UNREAD) this.#socket.destroy()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }
}
