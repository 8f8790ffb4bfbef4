import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, run } from './command.ts'

/** A new self-signed certificate in two files that only root can read. */
export async function makeCertificate(directory: string, host: string) {
  const openssl = findProgram('openssl')
  if (openssl === undefined) throw new Error('openssl is needed to make a certificate')
  const key = join(directory, 'key.pem')
  const certificate = join(directory, 'certificate.pem')
  const form = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2']
  await run(openssl, [...form, '-subj', `/CN=${host}`, '-keyout', key, '-out', certificate])
  chmodSync(key, 0o600)
  chmodSync(certificate, 0o600)
  return { key, certificate }
}
