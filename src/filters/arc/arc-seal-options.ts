/** The options of `arcSeal`. */
import { count } from '../../options/kinds.ts'
import { listOf, object } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { code, dnsName, fieldName, line, yesNo } from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { DKIM_KEY } from '../dkim/sign-options.ts'
import { localNetworks } from '../local-networks.ts'
import { checkSignedNames } from '../signing/name-options.ts'
import { OVERSIGNED_FIELDS, SIGNED_FIELDS } from '../signing/signed-fields.ts'
import type { ArcSealOptions, ArcSealSettings } from '../types.ts'
import { ARC_NAMES, MAX_INSTANCE } from './arc-chain.ts'

/** Section 4.1.2; a field that comes or goes with each hop would break the signature at the next one. */
const NEVER = new Set(
  [...ARC_NAMES, 'Authentication-Results'].map((name) => name.toLowerCase()),
)

export const ARC_SEAL: Shape<ArcSealOptions, ArcSealSettings> = {
  name: 'arcSeal',
  type: 'ArcSeal',
  text: 'seals mail from outside with ARC (RFC 8617), after all that changes it',
  fields: {
    authservId: {
      kind: dnsName,
      text: 'the name that `authenticate` uses in the same composition; by default that of the mail server (macro `j`)',
    },
    keys: {
      kind: listOf(object(DKIM_KEY)),
      required: true,
      text: 'the keys, all of one domain',
      more: 'A set has one signature. An RSA key makes it if there is one: RFC 8617 was written for RSA, and not every server knows Ed25519 there.',
    },
    authenticated: {
      kind: yesNo,
      default: true,
      text: 'mail of clients that have logged in is ours, and not sealed',
    },
    networks: localNetworks(
      'mail of clients with these addresses is ours',
      'So is mail that the server made itself, such as a bounce.',
    ),
    daemons: {
      kind: listOf(line, { min: 0 }),
      default: [],
      text: 'all mail that comes in through these daemons (macro `daemon_name`) is ours',
    },
    maxInstances: {
      kind: count({ from: 10, to: MAX_INSTANCE }),
      default: MAX_INSTANCE,
      text: 'mail with so many sets is not sealed (RFC 8617, section 4.2.1)',
    },
    oversign: {
      kind: listOf(fieldName, { min: 0 }),
      default: OVERSIGNED_FIELDS,
      text: 'fields that nobody may add or change before the next seal',
    },
    sign: {
      kind: listOf(fieldName, { min: 0 }),
      default: [...SIGNED_FIELDS, 'DKIM-Signature'],
      text: 'fields that are signed if the message has them',
    },
    ...commonFields('arc-seal'),
    now: { kind: code('() => number'), text: 'Unix time in milliseconds, for tests' },
  },
  check({ keys, oversign, sign }, report) {
    const [first, ...others] = keys
    const other = others.findIndex(({ domain }) => domain !== first!.domain)
    if (other !== -1) {
      report({
        path: ['keys', other + 1, 'domain'],
        text: `is another domain than ${first!.domain}: the keys of arcSeal are of one domain`,
        got: { value: keys[other + 1]!.domain },
      })
    }
    checkSignedNames({ sign, oversign }, NEVER, 'RFC 8617, section 4.1.2', report)
  },
}
