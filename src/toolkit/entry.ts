/** Entries of lists and tables: where each one stands, and the error that names the place. */
import { readFileSync, statSync, type Stats } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { FileError, UsageError } from '../errors.ts'
import { decodeText } from '../protocol/text.ts'

/** Where a text is from, for error messages. */
export interface Place {
  /** the name of the file, or what the text is called */
  readonly file: string
  /** from 1 */
  readonly line: number
}

/** @param remedy what to write; the second half of the sentence */
export function invalidEntry(place: Place | string, what: string, remedy: string): UsageError {
  const where = typeof place === 'string' ? place : `${place.file}:${place.line}`
  return new UsageError('INVALID_ENTRY', `${where}: ${what}; ${remedy}`)
}

/** An entry in a message: in quotes, and never long. */
export const shown = (entry: string): string =>
  JSON.stringify(entry.length > 80 ? `${entry.slice(0, 80)}...` : entry)

/** Bytes of the largest file that is read as a list or table. */
export const MAX_FILE_SIZE: number = 64 * 1024 * 1024

/**
 * The text of a list or table. Bytes that are not UTF-8 are kept as in all text of this package.
 * @throws FileError FILE_FAILED, also if it is larger than MAX_FILE_SIZE
 */
export async function readText(path: string): Promise<string> {
  let file: FileHandle | undefined
  try {
    // To open a named pipe is to wait for its writer, on a thread that others need.
    if (!(await stat(path)).isFile()) throw new Error('it is not a file')
    file = await open(path)
    checkFile(path, await file.stat())
    return decodeText(await file.readFile())
  } catch (error) {
    throw error instanceof FileError ? error : fileFailed(path, 'cannot be read', error)
  } finally {
    await file?.close()
  }
}

/** As {@link readText}, for programs that start. */
export function readTextSync(path: string): string {
  try {
    checkFile(path, statSync(path))
    return decodeText(readFileSync(path))
  } catch (error) {
    throw error instanceof FileError ? error : fileFailed(path, 'cannot be read', error)
  }
}

function checkFile(path: string, stats: Stats): void {
  if (!stats.isFile()) throw new Error('it is not a file')
  const { size } = stats
  if (size > MAX_FILE_SIZE) {
    throw new FileError(
      'FILE_FAILED',
      `${path} has ${size} bytes, and lists and tables are read up to ${MAX_FILE_SIZE}; keep it in a database, and ask that with a function`,
    )
  }
}

/** @param what the rest of the sentence that begins with the name of the file */
export const fileFailed = (path: string, what: string, cause: unknown): FileError =>
  new FileError(
    'FILE_FAILED',
    `${path} ${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause },
  )
