/** Files of private keys. */
import { generateKeyPair, type KeyObject } from 'node:crypto'
import { open, readFile, unlink } from 'node:fs/promises'
import { promisify } from 'node:util'
import { UsageError } from '../../errors.ts'
import { codeOf } from '../../net/system-error.ts'

const generate = promisify(generateKeyPair)

export type KeyType = 'rsa' | 'ed25519'

/** A new private key in PEM (PKCS #8). @param bits of an RSA key */
export async function newKey(type: KeyType, bits: number): Promise<string> {
  const { privateKey } = (await (type === 'rsa'
    ? generate('rsa', { modulusLength: bits })
    : generate('ed25519'))) as { privateKey: KeyObject }
  return String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
}

/**
 * Writes a new file that only its owner can read. A file that is there, also behind a symbolic link, stays as it is.
 *
 * @throws UsageError INVALID_OPTION
 */
export async function writeKeyFile(path: string, pem: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((cause: unknown) => {
    const code = codeOf(cause)
    throw code === 'EEXIST'
      ? wrong(`${path} exists, and a key is never overwritten. Write another name after --out`)
      : wrong(`${path} cannot be written (${code})`)
  })
  try {
    await file.writeFile(pem)
    await file.sync()
  } catch (cause) {
    await file.close()
    // Half a key is of no use, and would be in the way of the next try.
    await unlink(path)
    throw wrong(`${path} cannot be written (${codeOf(cause)})`)
  }
  await file.close()
}

/** @throws UsageError INVALID_OPTION */
export async function readKeyText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw wrong(`the key cannot be read: ${path} (${codeOf(cause)})`)
  }
}

const wrong = (text: string): UsageError => new UsageError('INVALID_OPTION', text)
