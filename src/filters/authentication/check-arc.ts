/** ARC (RFC 8617): what servers on the way have found before they changed the message. */
import { decodeText } from '../../protocol/text.ts'
import { domainName } from '../../toolkit/dns/domain-name.ts'
import type { DnsSession } from '../../toolkit/dns/dns-session.ts'
import { nodeStyleResolver } from '../../toolkit/dns/node-style-resolver.ts'
import { domainOf, type ArcData, type Mailauth } from './mailauth.ts'
import { parseResultsField, type MethodResult } from './results-field.ts'

export type ArcResult = 'pass' | 'fail' | 'none' | 'policy' | 'temperror'

/** One server that has sealed the message. */
export interface Sealer {
  /** d= of its seal, in lower case */
  readonly domain: string
  /** what it has found; empty if its field is not by the grammar */
  readonly results: readonly MethodResult[]
}

export interface ArcCheck {
  readonly result: ArcResult
  readonly reason?: string | undefined
  /** the first one first. With `temperror` nobody knows whether it was they; with other failures it is empty */
  readonly sealers: readonly Sealer[]
}

/**
 * @param data what the verifier of signatures has left
 * @param session for the keys of seals
 * @param limits a chain longer than `maxArcSets` is not looked at, because each set costs a look-up and a signature
 * @throws what the signal of the session has as its reason
 */
export async function checkArc(
  mailauth: Mailauth,
  session: DnsSession,
  data: ArcData,
  { maxArcSets, minKeyBits }: { readonly maxArcSets: number; readonly minKeyBits: number },
  address: string,
): Promise<ArcCheck> {
  const chain = data.chain === false ? [] : data.chain
  if (chain.length > maxArcSets) {
    return { result: 'policy', reason: `more than ${maxArcSets} sets`, sealers: [] }
  }
  const failures = new Set<string>()
  const resolve = nodeStyleResolver(session)
  const { status } = await mailauth.arc(data, {
    resolver: async (name, type) => {
      try {
        return await resolve(name, type)
      } catch (error) {
        const code = (error as { code?: string }).code ?? ''
        if (code !== 'ENOTFOUND' && code !== 'ENODATA') failures.add(code)
        throw error
      }
    },
    strict: true,
    minBitLength: minKeyBits,
    ip: address,
  })
  const result = status.result as ArcResult
  // mailauth says "fail" for a key that could not be asked for. The message's own signature has its result.
  const own = chain.at(-1) as
    { messageSignature?: { status?: { result?: string } } } | undefined
  const unknown = failures.size > 0 || own?.messageSignature?.status?.result === 'temperror'
  if (result === 'fail' && unknown) {
    return { result: 'temperror', reason: 'DNS failure', sealers: chain.map(sealerOf) }
  }
  return {
    result,
    reason: result === 'fail' ? status.comment : undefined,
    sealers: result === 'pass' ? chain.map(sealerOf) : [],
  }
}

function sealerOf(set: Exclude<ArcData['chain'], false>[number]): Sealer {
  const field = decodeText(set['arc-authentication-results'].original ?? Buffer.alloc(0))
  // Section 4.1.1: the field begins with the instance.
  const payload = /^[^:]*:[^;]*;([^]*)$/.exec(field)?.[1] ?? ''
  return {
    domain: domainName(domainOf(set['arc-seal'])) ?? '',
    results: parseResultsField(payload)?.results ?? [],
  }
}
