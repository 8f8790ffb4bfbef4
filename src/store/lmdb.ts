/**
 * The part of the package lmdb that the embedded store uses. Its own types do not compile without `skipLibCheck`
 * (3.5.6: `export =` in a module).
 */
import { loadOptional } from '../optional-package.ts'

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
  /** Calls `action` when this process has the lock for writing, which a thread waits for. Resolves after the commit. */
  transaction<Result>(action: () => Result): Promise<Result>
  /** Lets the next read see what other processes have committed. */
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

/** @throws UsageError MISSING_PACKAGE */
export const loadLmdb = (): Promise<Lmdb> =>
  loadOptional('lmdb', 'the embedded store', () => import(NAME) as Promise<Lmdb>)

/** Why a commit has failed. lmdb has a promise of it in the error, which ends the process if it is not handled. */
export async function commitErrorOf(error: unknown): Promise<unknown> {
  try {
    await (error as { readonly commitError?: Promise<never> } | undefined)?.commitError
    return error
  } catch (cause) {
    return cause
  }
}
