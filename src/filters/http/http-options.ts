/** Options of filters that talk to an HTTP service. */
import { readFileSync } from 'node:fs'
import { UsageError } from '../../errors.ts'
import { codeOf } from '../../net/system-error.ts'
import { NOTHING_MORE, type Kind } from '../../options/kinds.ts'
import { line } from '../../options/value-kinds.ts'

const FORM = 'an address such as https://mail.example.org/hook, without a password in it'

/** The address of a service. A password would be in logs, so it stands in a file. */
export const serviceUrl: Kind = {
  ...line,
  takes: FORM,
  takesText: FORM,
  placeholder: 'url',
  wrong: (value) => {
    if (typeof value !== 'string' || !URL.canParse(value)) return NOTHING_MORE
    const url = new URL(value)
    return /^https?:$/.test(url.protocol) &&
      url.username === '' &&
      url.password === '' &&
      url.hash === ''
      ? undefined
      : NOTHING_MORE
  },
  schema: { type: 'string', pattern: '^https?://[^@#]+$' },
}

/**
 * The first line of a file with a secret.
 *
 * @throws UsageError INVALID_OPTION
 */
export function readSecret(option: string, file: string): string {
  const [first = ''] = readWhole(option, file).toString('latin1').split(/\r?\n/)
  if (/^[ -~]+$/.test(first)) return first
  throw new UsageError(
    'INVALID_OPTION',
    `${option}: the first line of ${file} is empty, or has other characters than those of ASCII`,
  )
}

/** @throws UsageError INVALID_OPTION */
export function readWhole(option: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    const text = `${option}: ${file} cannot be read (${codeOf(cause)})`
    throw new UsageError('INVALID_OPTION', text, { cause })
  }
}
