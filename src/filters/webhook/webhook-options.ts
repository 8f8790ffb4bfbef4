/** The options of `webhook`. */
import { bytes, choice, inputFile } from '../../options/kinds.ts'
import { listOf } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { code, duration, network } from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { AddressPolicy } from '../http/address-policy.ts'
import { serviceUrl } from '../http/http-options.ts'
import type { WebhookOptions, WebhookSettings } from '../types.ts'

export const ALLOWANCES = [
  'refuse',
  'defer',
  'quarantine',
  'discard',
  'fields',
  'recipients',
  'sender',
] as const

export const WEBHOOK: Shape<WebhookOptions, WebhookSettings> = {
  name: 'webhook',
  type: 'Webhook',
  text: 'asks an HTTP service about each message, and does what it answers',
  fields: {
    url: { kind: serviceUrl, required: true, text: 'the address of the service' },
    secretFile: {
      kind: inputFile,
      required: true,
      text: 'a file whose first line is the secret that signs requests, of 16 characters or more',
    },
    content: {
      kind: choice(['none', 'header', 'whole']),
      default: 'header',
      text: 'what the service gets beside the envelope: nothing, the header, the message',
    },
    maxSize: {
      kind: bytes({ from: 1_024 }),
      default: 10_485_760,
      text: 'of a larger message, the service gets the header only',
    },
    allow: {
      kind: listOf(choice(ALLOWANCES), { min: 0 }),
      default: ['refuse', 'defer', 'quarantine', 'fields', 'recipients'],
      text: 'what the service may do with a message',
    },
    onFailure: {
      kind: choice(['tempfail', 'pass']),
      default: 'tempfail',
      text: 'what becomes of a message if there is no answer, or one that cannot be used',
    },
    deadline: {
      kind: duration({ from: 50, to: 240_000 }),
      default: 10_000,
      text: 'time for all tries together',
    },
    maxAnswer: {
      kind: bytes({ from: 64 }),
      default: 65_536,
      text: 'maximum size of an answer',
    },
    allowAddresses: {
      kind: listOf(network, { min: 0 }),
      default: [],
      text: 'private and local addresses to which the requests may go',
    },
    caFile: {
      kind: inputFile,
      text: 'certificates of the authorities that count, in PEM; by default those of Node',
    },
    ...commonFields('webhook'),
    lookup: {
      kind: code('AddressLookup'),
      text: 'finds the addresses of a name, for tests',
    },
  },
  check({ url, allowAddresses }, report) {
    const target = new URL(url)
    if (new AddressPolicy(allowAddresses).refusesHost(target)) {
      report({
        path: ['url'],
        text: 'takes an address of the Internet; name a private one in allowAddresses',
        got: { value: url },
      })
    }
    if (target.protocol === 'http:' && allowAddresses.length === 0) {
      report({ path: ['url'], text: 'takes https:, since a request has mail in it' })
    }
  },
}
