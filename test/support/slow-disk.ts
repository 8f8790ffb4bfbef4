import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'

/**
 * Keeps the threads busy by which files are opened and written, for a good while (some tenths of a second).
 * What is begun now comes after it; it is over when the promise is.
 */
export async function slowDisk(): Promise<void> {
  const work = promisify(pbkdf2)
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4)
  await Promise.all(
    Array.from({ length: threads }, () => work('slow', 'disk', 300_000, 64, 'sha512')),
  )
}
