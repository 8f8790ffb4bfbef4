import { readFile } from 'node:fs/promises'
import { UsageError } from '../errors.ts'
import { isPem } from './pem.ts'

/** Paths of PEM files, by their content. */
export type PemPaths = { readonly [Name in 'key' | 'cert' | 'ca']?: string | undefined }
export type PemFiles = { readonly [Name in keyof PemPaths]?: Buffer }

/**
 * Reads the files of those options `tls.key`, `tls.cert` and `tls.ca` that are given.
 *
 * @throws UsageError INVALID_OPTION, which names the path
 */
export async function readPemFiles(paths: PemPaths): Promise<PemFiles> {
  const read = async (name: keyof PemPaths): Promise<[string, Buffer][]> => {
    const path = paths[name]
    if (path === undefined) return []
    const pem = await readFile(path).catch((error: unknown) => {
      throw invalid(`tls.${name}: ${path} cannot be read: ${(error as Error).message}`, error)
    })
    if (!isPem(pem)) throw invalid(`tls.${name}: there is no PEM text in ${path}`)
    return [[name, pem]]
  }
  const found = await Promise.all((['key', 'cert', 'ca'] as const).map(read))
  return Object.fromEntries(found.flat())
}

/** The files of a server. @throws UsageError INVALID_OPTION */
export async function readTls(
  paths: PemPaths,
): Promise<PemFiles & { readonly key: Buffer; readonly cert: Buffer }> {
  const { key, cert, ca } = await readPemFiles(paths)
  if (key === undefined || cert === undefined) {
    const missing = key === undefined ? 'key' : 'cert'
    throw invalid(`tls.${missing} is missing: TLS needs both tls.cert and tls.key`)
  }
  return { key, cert, ...(ca === undefined ? {} : { ca }) }
}

const invalid = (what: string, cause?: unknown): UsageError =>
  new UsageError('INVALID_OPTION', `the option ${what}`, { cause })
