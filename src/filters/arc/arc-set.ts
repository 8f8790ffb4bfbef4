/** A new ARC set (RFC 8617, section 5.1). Everything in it is relaxed. */
import { signField } from '../signing/sign-field.ts'
import { chosenFields, type SignedField } from '../signing/signed-fields.ts'
import type { SigningKey } from '../signing/signing-key.ts'
import { ARC_NAMES, type ArcChain } from './arc-chain.ts'

/** cv=: whether the chain was good when the message came (section 4.4). */
export type ChainStatus = 'none' | 'pass' | 'fail'

export interface ArcSetOptions {
  readonly key: SigningKey
  /** what the message has already */
  readonly chain: ArcChain
  readonly status: ChainStatus
  /** the value of our own Authentication-Results */
  readonly results: Uint8Array
  /** the header, from the top to the bottom */
  readonly fields: readonly SignedField[]
  /** h= of the message's signature */
  readonly names: readonly string[]
  /** SHA-256 of the body in the relaxed form */
  readonly bodyHash: Buffer
  /** t=, Unix time in seconds */
  readonly time: number
}

/** Makes the fields, in the order of {@link ARC_NAMES}: the last of them stands on top. */
export async function makeSet(options: ArcSetOptions): Promise<readonly SignedField[]> {
  const { key, chain, status, fields, names } = options
  const [resultsName, signatureName, sealName] = ARC_NAMES
  const i = String(chain.highest + 1)
  const time = String(options.time)
  const place = [
    ['d', key.domain],
    ['s', key.selector],
  ] as const

  const results = fieldOf(
    resultsName,
    Buffer.concat([first(i, options.results), options.results]),
  )
  const signature = fieldOf(
    signatureName,
    await signField(
      key,
      signatureName,
      [
        ['i', i],
        ['a', key.algorithm],
        ['c', 'relaxed/relaxed'],
        ...place,
        ['t', time],
        ['h', names.join(':')],
        ['bh', options.bodyHash.toString('base64')],
      ],
      chosenFields(fields, names),
      'relaxed',
    ),
  )
  const seal = fieldOf(
    sealName,
    await signField(
      key,
      sealName,
      [['i', i], ['a', key.algorithm], ['t', time], ['cv', status], ...place],
      // Section 5.1.2: a failed chain cannot be put in order, so the seal is for its own set alone.
      [...(status === 'fail' ? [] : chain.fields), results, signature],
      'relaxed',
    ),
  )
  return [results, signature, seal]
}

const first = (instance: string, results: Uint8Array): Buffer =>
  Buffer.from(
    ` i=${instance};${/^[ \t\r]/.test(String.fromCharCode(results[0] ?? 0)) ? '' : ' '}`,
  )

const fieldOf = (name: string, value: Buffer): SignedField => ({
  name: Buffer.from(name),
  value,
})
