/** Texts in files that options name. They are read when a filter is made. */
import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { UsageError } from '../../errors.ts'

const MAX_BYTES = 1024 * 1024

/**
 * @param option the filter and the option, for the error: `disclaimer: the option textFile`
 * @throws UsageError INVALID_OPTION
 */
export function readOptionFile(option: string, path: string): string {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (cause) {
    const { code } = cause as { code?: string }
    throw new UsageError('INVALID_OPTION', `${option}: ${path} cannot be read (${code})`, {
      cause,
    })
  }
  if (bytes.length > MAX_BYTES) {
    throw new UsageError(
      'INVALID_OPTION',
      `${option}: ${path} has ${bytes.length} bytes; it takes at most ${MAX_BYTES}`,
    )
  }
  if (!isUtf8(bytes)) {
    throw new UsageError('INVALID_OPTION', `${option}: ${path} is not UTF-8; convert it`)
  }
  // An editor may have written a byte order mark.
  return bytes.toString('utf8').replace(/^\ufeff/, '')
}
