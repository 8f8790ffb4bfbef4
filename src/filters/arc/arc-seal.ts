/**
 * The ready-made filter that seals mail from outside with ARC (RFC 8617), so that the next server can see what this one
 * has found out, though the mail was changed here. It seals the bytes that leave: in a composition it comes last.
 */
import type { MessageFilter } from '../../message/define-filter.ts'
import type { HeaderField } from '../../message/headers.ts'
import type { Mail } from '../../message/mail.ts'
import { readShape } from '../../options/shape.ts'
import { decodeText, encodeText } from '../../protocol/text.ts'
import { authservIdOf } from '../authentication/authserv-id.ts'
import {
  OwnIds,
  parseResultsField,
  RESULTS_NAME,
  type ResultsField,
} from '../authentication/results-field.ts'
import { millisecondsSince } from '../milliseconds.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import { DomainKeys } from '../signing/domain-keys.ts'
import { factsOf } from '../signing/message-facts.ts'
import { namesToSign } from '../signing/name-options.ts'
import { OWN_MAIL_MACROS, OwnMail } from '../signing/own-mail.ts'
import { signedNames } from '../signing/signed-fields.ts'
import type { SigningKey } from '../signing/signing-key.ts'
import type { ArcSealOptions, ArcSealSettings } from '../types.ts'
import { chainOf, isArcName, type ArcChain } from './arc-chain.ts'
import { ARC_SEAL } from './arc-seal-options.ts'
import { makeSet, type ChainStatus } from './arc-set.ts'

/**
 * Why a message is not sealed:
 *
 * - `ours`: the client has logged in, or is in `networks` or `daemons`
 * - `not-authenticated`: no filter of this composition has added an `Authentication-Results` field with `authservId`
 * - `no-active-key`: it is before `notBefore` or after `notAfter` of each key
 * - `chain-failed`: the newest seal says cv=fail, so no other one may follow (RFC 8617, section 5.1)
 * - `too-many-instances`: it has `maxInstances` sets
 * - `chain-unknown`: it has sets, and the results do not say whether the chain is good, as after a failure of DNS
 * - `chain-malformed`: it has ARC fields, and none of them has an instance that the next one could follow
 * - `chain-changed`: a filter before this one has changed, added or removed sets
 */
export type NotSealedReason =
  | 'ours'
  | 'not-authenticated'
  | 'no-active-key'
  | 'chain-failed'
  | 'too-many-instances'
  | 'chain-unknown'
  | 'chain-malformed'
  | 'chain-changed'

/**
 * Makes the filter. Keys are read now, so a mistake shows at the start.
 *
 *     compose(authenticate({ authservId: 'mx.example.org' }), externalTag, arcSeal({
 *       authservId: 'mx.example.org',
 *       keys: [{ domain: 'example.org', selector: 's1', file: '/etc/tsmilter/s1.pem' }],
 *     }))
 *
 * @throws UsageError INVALID_OPTION
 */
export function arcSeal(options: ArcSealOptions): MessageFilter {
  const given = readShape(ARC_SEAL, options)
  const settings = {
    options: given,
    domain: given.keys[0]!.domain,
    keys: new DomainKeys(given.keys),
    ownMail: new OwnMail(given),
    ...namesToSign(given),
  }
  return readyMade(given, (results) => ({
    edits: ['headers'],
    order: 'last',
    macros: { message: OWN_MAIL_MACROS },
    message: (mail) => seal(mail, settings, results),
  }))
}

interface Settings {
  readonly options: ArcSealSettings
  readonly domain: string
  readonly keys: DomainKeys
  readonly ownMail: OwnMail
  readonly sign: ReadonlySet<string>
  readonly oversign: ReadonlySet<string>
}

async function seal(mail: Mail, settings: Settings, log: ResultLog): Promise<void> {
  const { options, ownMail } = settings
  const started = performance.now()
  const notSealed = (reason: NotSealedReason, facts: object = {}): void =>
    log.tell(mail, 'skipped', reason, facts, 'info')

  if (ownMail.has(mail)) return notSealed('ours')
  const own = resultsOf(mail, authservIdOf(mail, options.authservId))
  if (own === undefined) return notSealed('not-authenticated')
  const now = (options.now ?? Date.now)()
  const key = keyAt(now, settings)
  if (key === undefined) return notSealed('no-active-key')
  const arcFields = mail.headers.fields().filter(({ name }) => isArcName(encodeText(name)))
  const chain = chainOf(
    arcFields.map(({ name, raw }) => ({ name: encodeText(name), value: raw })),
  )
  const { defect, highest } = chain
  const status = statusOf(chain, arcResultOf(own.results), arcFields, settings)
  if (status !== 'none' && status !== 'pass' && status !== 'fail') {
    return notSealed(status, { instances: highest, ...(defect !== undefined && { defect }) })
  }

  const { fields, bodyHash, risks } = await factsOf(mail, 'relaxed')
  const set = await makeSet({
    key,
    chain,
    status,
    results: own.field.raw,
    fields,
    names: signedNames(fields, settings.sign, settings.oversign, mail.server.kind),
    bodyHash,
    time: Math.floor(now / 1000),
  })
  for (const { name, value } of set) mail.headers.prepend(String(name), value)
  const { domain, selector, algorithm } = key
  const facts = {
    instance: highest + 1,
    cv: status,
    ...(defect !== undefined && { defect }),
    domain,
    selector,
    algorithm,
    ...(risks.length > 0 && { risks }),
    milliseconds: millisecondsSince(started),
  }
  log.tell(mail, 'changed', 'sealed', facts)
}

/** cv=, by the chain as it was received; or why there is no seal. */
function statusOf(
  chain: ArcChain,
  result: string | undefined,
  fields: readonly HeaderField[],
  { options }: Settings,
): ChainStatus | NotSealedReason {
  const isEdited = ({ record }: HeaderField): boolean =>
    record.origin !== undefined || record.side !== undefined
  if (fields.some(isEdited)) return 'chain-changed'
  if (fields.length === 0) {
    // Not every verifier writes arc=none.
    return result === undefined || result === 'none' ? 'none' : 'chain-changed'
  }
  if (chain.isFailed) return 'chain-failed'
  if (chain.highest >= options.maxInstances) return 'too-many-instances'
  // Never pass for what is not a chain, whoever says so.
  if (chain.defect !== undefined) return chain.highest === 0 ? 'chain-malformed' : 'fail'
  return result === 'pass' || result === 'fail' ? result : 'chain-unknown'
}

/** The key that seals at a time. */
function keyAt(now: number, { keys, domain }: Settings): SigningKey | undefined {
  const chosen = keys.keysFor('', domain, now)
  if (typeof chosen === 'string') return undefined
  const rsa = chosen.find(({ key }) => key.algorithm === 'rsa-sha256')
  return (rsa ?? chosen[0])?.key
}

interface OwnResults {
  readonly field: HeaderField
  readonly results: ResultsField
}

/**
 * The results of `authenticate`: the topmost field with our id. A filter of this composition must have added it, so a
 * field that came with the message is never taken for ours.
 */
function resultsOf(mail: Mail, id: string): OwnResults | undefined {
  const ids = new OwnIds([id])
  for (const field of mail.headers.fields(RESULTS_NAME)) {
    const results = parseResultsField(decodeText(field.raw))
    if (results === undefined || !ids.has(results.id)) continue
    return field.record.side === undefined ? undefined : { field, results }
  }
  return undefined
}

/** The result of arc=; undefined if there is none, or if there are several. */
function arcResultOf({ results }: ResultsField): string | undefined {
  const found = results.filter(({ method }) => method === 'arc')
  return found.length === 1 ? found[0]!.result : undefined
}
