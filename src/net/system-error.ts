/** Errors of the system, of Node's sockets and of OpenSSL, in a few words. */

/** The code, such as `ENOENT`; empty for what has none. */
export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error
    ? String(error.code)
    : ''
}

/** What has failed, in one line; of OpenSSL's errors what a person can read. */
export function reasonOf(error: Error): string {
  const { reason } = error as { readonly reason?: unknown }
  return (typeof reason === 'string' ? reason : error.message).trim()
}
