import { UsageError } from '../errors.ts'
import { reasonOf } from './system-error.ts'

/** PEM text: the content of a file, not its path. */
export type Pem = string | Buffer

export const isPem = (value: unknown): value is Pem =>
  (typeof value === 'string' || Buffer.isBuffer(value)) && value.includes('-----BEGIN ')

/** @throws UsageError INVALID_OPTION if it is not PEM text, such as the path of a file */
export function checkPem(name: 'key' | 'cert' | 'ca', pem: unknown): asserts pem is Pem {
  if (isPem(pem)) return
  const what = kindOf(name)
  throw new UsageError(
    'INVALID_OPTION',
    pem === undefined
      ? `the option tls.${name} is missing; it takes ${what} as PEM text`
      : `the option tls.${name} takes ${what} as PEM text (the content of the file, not its path); it got something else`,
  )
}

/** What the option `tls.key`, `tls.cert` or `tls.ca` takes. */
export const kindOf = (name: string): string =>
  name === 'key' ? 'a private key' : 'a certificate'

/** @param what the name of the option and what is wrong, such as `tls.ca: ...` */
export function invalidTls(what: string, cause: unknown): UsageError {
  return new UsageError('INVALID_OPTION', `the option ${what}: ${reasonOf(cause as Error)}`, {
    cause,
  })
}
