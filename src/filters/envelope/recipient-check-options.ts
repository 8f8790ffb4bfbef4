/** The options of `recipientCheck`. */
import { choice } from '../../options/kinds.ts'
import { listOf, object } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { domainPattern, duration, line, text, wait } from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { hostAndPort } from '../server-address.ts'
import { lookupTables } from '../sources/lookup.ts'
import { storeFields } from '../store-option.ts'
import type {
  CallForward,
  CallForwardSettings,
  RecipientCheckOptions,
  RecipientCheckSettings,
} from '../types.ts'

const DAY = 86_400_000

const CALL_FORWARD: Shape<CallForward, CallForwardSettings> = {
  name: 'callForward',
  type: 'CallForward',
  isEntry: true,
  text: 'asks the server that mail goes to next, whether it takes mail for a recipient',
  fields: {
    server: { kind: hostAndPort, required: true, text: 'the address of that server' },
    protocol: { kind: choice(['smtp', 'lmtp']), default: 'smtp', text: 'what it speaks' },
    helo: { kind: line, text: 'our name for HELO; that of the machine by default' },
    timeout: { kind: wait, default: 5_000, text: 'how long it may take to answer' },
    keepValid: {
      kind: duration(),
      default: 7 * DAY,
      text: 'how long it is remembered that a recipient is taken',
    },
    keepInvalid: {
      kind: duration(),
      default: 3_600_000,
      text: 'how long it is remembered that a recipient was refused',
    },
    ...storeFields('open'),
  },
}

export const RECIPIENT_CHECK: Shape<RecipientCheckOptions, RecipientCheckSettings> = {
  name: 'recipientCheck',
  type: 'RecipientCheck',
  text: 'refuses recipients that do not exist',
  oneOf: ['tables', 'callForward'],
  fields: {
    domains: {
      kind: listOf(domainPattern),
      required: true,
      text: 'your domains; recipients of others are not checked',
    },
    tables: {
      kind: lookupTables,
      text: 'tables of all recipients that exist: addresses, @domain for all of a domain',
      more: 'The value does not matter, but for REJECT, 5xx and OK, which mean what they do in access(5).',
    },
    callForward: {
      kind: object(CALL_FORWARD),
      text: 'ask another server, in place of `tables`',
    },
    delimiter: {
      kind: text,
      default: '+',
      text: 'characters that begin an extension, as in user+news; empty for none',
    },
    onFailure: {
      kind: choice(['defer', 'pass']),
      default: 'defer',
      text: 'what is done with a recipient if nobody can say whether it exists',
    },
    ...commonFields('recipient-check'),
  },
}
