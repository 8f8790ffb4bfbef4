/** The options of `rateLimit`. */
import { choice } from '../../options/kinds.ts'
import { listOf, mapOf, object } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { duration, line } from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { recipientsField } from '../exempt-fields.ts'
import { localNetworks } from '../local-networks.ts'
import { hostAndPort } from '../server-address.ts'
import { lookupTables } from '../sources/lookup.ts'
import { storeFields } from '../store-option.ts'
import type {
  RateLimitNotice,
  RateLimitNoticeSettings,
  RateLimitOptions,
  RateLimits,
  RateLimitSettings,
  RateLimitsSettings,
} from '../types.ts'
import { LIMIT } from './limit-text.ts'

const LIMITS: Shape<RateLimits, RateLimitsSettings> = {
  name: 'limits',
  type: 'RateLimits',
  isEntry: true,
  text: 'limits, which all have to allow a message',
  fields: {
    messages: { kind: listOf(LIMIT, { min: 0 }), text: 'messages in a time' },
    recipients: { kind: listOf(LIMIT, { min: 0 }), text: 'recipients of all messages' },
    bytes: { kind: listOf(LIMIT, { min: 0 }), text: 'bytes of all messages, as they came' },
  },
  check(limits, report) {
    for (const [unit, list] of Object.entries(limits)) {
      const all = list ?? []
      if (new Set(all).size !== all.length) {
        report({ path: [unit], text: 'takes each limit once' })
      }
    }
  },
}

const NOTICE: Shape<RateLimitNotice, RateLimitNoticeSettings> = {
  name: 'notice',
  type: 'RateLimitNotice',
  isEntry: true,
  text: 'where mail to the administrator goes when a limit is used up',
  fields: {
    to: { kind: listOf(line), required: true, text: 'the addresses that get it' },
    from: { kind: line, required: true, text: 'its author, in From' },
    server: {
      kind: hostAndPort,
      default: '127.0.0.1:25',
      text: 'the SMTP server that takes it',
    },
  },
}

const limits = object(LIMITS)

export const RATE_LIMIT: Shape<RateLimitOptions, RateLimitSettings> = {
  name: 'rateLimit',
  type: 'RateLimit',
  text: 'limits how much each user, sender, domain and client may send',
  fields: {
    login: { kind: limits, text: 'limits of each login' },
    sender: {
      kind: limits,
      text: 'limits of each envelope sender of users that have logged in',
    },
    domain: {
      kind: limits,
      text: 'limits of each domain of users: that of the login, or else that of the sender',
    },
    client: {
      kind: limits,
      text: 'limits of each address (of IPv6, each /64) from outside, without a login',
    },
    users: {
      kind: lookupTables,
      text: 'tables with the limits of some logins, senders, domains or addresses',
      more: 'The value is `unlimited`, the name of a group, or limits such as `messages=10/60s,500/d recipients=2000/d`.',
    },
    groups: { kind: mapOf(line, limits), text: 'limits with names, for the tables of `users`' },
    action: {
      kind: choice(['defer', 'refuse']),
      default: 'defer',
      text: 'what is done above a limit; a message that no limit will ever allow is refused',
    },
    ...storeFields('local'),
    recipients: recipientsField(
      ['postmaster@'],
      'a message to nobody but these is not counted',
    ),
    networks: localNetworks(
      'mail of clients with these addresses, without a login, has no limits',
    ),
    noticeEvery: {
      kind: duration({ from: 1_000 }),
      default: 3_600_000,
      text: 'a limit that is used up is told once in this time, in a line of level warn',
    },
    notice: { kind: object(NOTICE), text: 'send a mail, too' },
    ...commonFields('rate-limit'),
  },
  check({ login, sender, domain, client, users }, report) {
    if ([login, sender, domain, client, users].every((one) => one === undefined)) {
      report({ path: [], text: 'needs limits: login, sender, domain, client or users' })
    }
  },
}
