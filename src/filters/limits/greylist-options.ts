/** The options of `greylist`. */
import { count, inputFile } from '../../options/kinds.ts'
import { listOf } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { code, domainPattern, duration, yesNo } from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { DNS_FIELD } from '../dns-option.ts'
import { recipientsField } from '../exempt-fields.ts'
import { localNetworks } from '../local-networks.ts'
import { storeFields } from '../store-option.ts'
import type { GreylistOptions, GreylistSettings } from '../types.ts'

const MINUTE = 60_000
const DAY = 86_400_000

export const GREYLIST: Shape<GreylistOptions, GreylistSettings> = {
  name: 'greylist',
  type: 'Greylist',
  text: 'defers the first try of mail from clients that are not known yet',
  fields: {
    ...storeFields('open'),
    delay: {
      kind: duration({ from: 1_000, to: DAY }),
      default: 5 * MINUTE,
      text: 'how long a new sender has to wait',
    },
    window: {
      kind: duration({ from: MINUTE }),
      default: 2 * DAY,
      text: 'how long after its first try a delivery can still pass for the first time',
    },
    retention: {
      kind: duration({ from: MINUTE }),
      default: 35 * DAY,
      text: 'how long what has passed is remembered after the last delivery',
    },
    ipv4Prefix: {
      kind: count({ from: 8, to: 32 }),
      default: 24,
      text: 'bits of an IPv4 address that count, because large senders try again from a neighbour',
    },
    ipv6Prefix: { kind: count({ from: 16, to: 128 }), default: 64, text: 'the same for IPv6' },
    spf: {
      kind: yesNo,
      default: true,
      text: 'take the domain of the sender in place of the address if SPF passes; needs mailauth',
      more: 'Without the package mailauth, the address counts, and the log says so at the start.',
    },
    knownDomains: {
      kind: listOf(domainPattern, { min: 0 }),
      default: [],
      text: 'domains of senders that never wait, if SPF passes',
    },
    autoWhitelist: {
      kind: count({ from: 0, to: 1_000 }),
      default: 5,
      text: 'a client that has come back so many times does not wait any more; 0: always',
    },
    whitelistClients: {
      kind: listOf(inputFile, { min: 0 }),
      default: [],
      text: 'files of clients that do not wait, in the format of postgrey; read again when they change',
    },
    whitelistRecipients: {
      kind: listOf(inputFile, { min: 0 }),
      default: [],
      text: 'files of recipients for which nobody waits, in the format of postgrey',
    },
    recipients: recipientsField(
      ['postmaster@', 'abuse@'],
      'recipients for which nobody waits, beside those of the files',
    ),
    networks: localNetworks('mail of clients with these addresses is never deferred'),
    header: {
      kind: yesNo,
      default: true,
      text: 'add `X-Greylist` with the seconds that a message had to wait',
    },
    ...commonFields('greylist'),
    dns: DNS_FIELD,
    clock: { kind: code('() => number'), text: 'Unix time in milliseconds, for tests' },
  },
  check({ delay, window, retention }, report) {
    if (window <= delay) report({ path: ['window'], text: 'takes a time longer than delay' })
    if (retention < window) {
      report({ path: ['retention'], text: 'takes a time that is not shorter than window' })
    }
  },
}
