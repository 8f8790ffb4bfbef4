/** The options of `dnsbl`. */
import { count } from '../../options/kinds.ts'
import { listOf, object } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import {
  code,
  domain,
  fieldName,
  line,
  network,
  wait,
  yesNo,
} from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { DNS_FIELD } from '../dns-option.ts'
import { recipientsField } from '../exempt-fields.ts'
import { localNetworks } from '../local-networks.ts'
import type { DnsblOptions, DnsblSettings, DnsblZone, DnsblZoneSettings } from '../types.ts'

const ZONE: Shape<DnsblZone, DnsblZoneSettings> = {
  name: 'a list',
  type: 'DnsblZone',
  isEntry: true,
  text: 'a list in DNS (RFC 5782)',
  fields: {
    zone: { kind: domain, required: true, text: 'its domain, such as bl.example.org' },
    weight: {
      kind: count({ from: -1_000, to: 1_000 }),
      default: 1,
      text: 'what an entry adds to the score; negative for a list of good senders',
    },
    answers: {
      kind: listOf(network),
      text: 'the answers that count, such as 127.0.0.2 or 127.0.0.0/29; all by default',
    },
    text: {
      kind: line,
      text: 'what a refused client is told; %a is its address, %r the reason that the list gives',
    },
  },
}

export const DNSBL: Shape<DnsblOptions, DnsblSettings> = {
  name: 'dnsbl',
  type: 'Dnsbl',
  text: 'asks lists in DNS about clients from outside, and tags or refuses their mail',
  fields: {
    zones: {
      kind: listOf(object(ZONE)),
      required: true,
      text: 'the lists; all are asked at once',
    },
    refuse: {
      kind: count({ from: 1, to: 100_000 }),
      text: 'the score from which on mail is refused; without it, nothing is refused',
    },
    tag: {
      kind: count({ from: 1, to: 100_000 }),
      default: 1,
      text: 'the score from which on mail gets the field',
    },
    field: { kind: fieldName, default: 'X-DNSBL', text: 'the field with score and lists' },
    removeForeign: {
      kind: yesNo,
      default: true,
      text: 'remove fields of this name that came from outside',
    },
    timeout: {
      kind: wait,
      default: 5_000,
      text: 'how long a message waits; a list without an answer has no entry',
    },
    recipients: recipientsField(
      ['postmaster@', 'abuse@'],
      'recipients to whom mail is never refused, so that clients can complain',
    ),
    networks: localNetworks('clients with these addresses are not looked up'),
    ...commonFields('dnsbl'),
    dns: DNS_FIELD,
    now: { kind: code('() => number'), text: 'a clock in milliseconds, for tests' },
  },
}
