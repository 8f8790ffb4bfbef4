/** Errors of the system, of Node's sockets and of OpenSSL, in a few words. */

/** The code of an error, such as `ENOENT`, or an empty string. */
export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error
    ? String(error.code)
    : ''
}

/** The reason of a failure in one line. Of an OpenSSL error, it is the readable part. */
export function reasonOf(error: Error): string {
  const { reason } = error as { readonly reason?: unknown }
  return (typeof reason === 'string' ? reason : error.message).trim()
}
