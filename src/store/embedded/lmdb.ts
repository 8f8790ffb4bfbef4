/**
 * The part of the package lmdb that the embedded store uses. Its own types do not compile without `skipLibCheck`
 * (3.5.6: `export =` in a module).
 */
import { loadOptional } from '../../optional-package.ts'

/** An open database, and with it the files. Keys and values are bytes. */
export interface Database {
  readonly path: string
  /** a copy */
  getBinary(key: Buffer): Buffer | undefined
  getRange(range: Range): Iterable<{ readonly key: Buffer; readonly value: Buffer }>
  getKeys(range: Range): Iterable<Buffer>
  /** In a transaction, these two are made at once. */
  putSync(key: Buffer, value: Buffer): void
  removeSync(key: Buffer): boolean
  /** Calls `action` with the lock for writing, and commits: it returns when the disk has it. */
  transactionSync<Result>(action: () => Result): Result
  /** Ends the snapshot of reads outside of transactions. The next read begins a new one. */
  resetReadTxn(): void
  getStats(): Stats
  close(): Promise<void>
}

interface Range {
  readonly start: Buffer
  readonly end?: Buffer
  readonly limit: number
}

/** Pages of the database, inside a transaction as this has left them. */
interface Stats {
  readonly pageSize: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
}

interface Lmdb {
  open(options: {
    readonly path: string
    readonly noSubdir: boolean
    readonly encoding: 'binary'
    readonly keyEncoding: 'binary'
    readonly mapSize: number
    readonly permissionsMode: number
    readonly overlappingSync: boolean
    readonly eventTurnBatching: boolean
  }): Database
}

/** Not a literal in the import, so that the compiler does not read its types. */
const NAME: string = 'lmdb'

const FOR = 'the embedded store'

/** @throws UsageError MISSING_PACKAGE */
export const loadLmdb = (): Promise<Lmdb> =>
  loadOptional('lmdb', FOR, () => import(NAME) as Promise<Lmdb>)

/** Only looks whether it is installed: the keeper loads it. @throws UsageError MISSING_PACKAGE */
export async function findLmdb(): Promise<void> {
  await loadOptional('lmdb', FOR, async () => import.meta.resolve(NAME))
}
