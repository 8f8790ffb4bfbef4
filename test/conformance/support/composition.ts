/** The composition of a server that checks, changes, signs and seals mail: all its filters are the ready-made ones. */
import { compose, type MessageFilter } from '../../../src/index.ts'
import {
  arcSeal,
  authenticate,
  disclaimer,
  dkimSign,
  externalTag,
} from '../../../src/filters/index.ts'
import { DnsCache } from '../../../src/toolkit/index.ts'
import { AUTHSERV_ID } from './arc.ts'
import { DOMAIN, KEYS, MESSAGES, RECORDS } from './dkim.ts'

const ALL_RECORDS: Readonly<Record<string, string>> = {
  ...RECORDS,
  [`_dmarc.${DOMAIN}`]: 'v=DMARC1; p=none',
}

const dns = new DnsCache({
  resolver: {
    resolve: async (name, type) => {
      const record = ALL_RECORDS[name]
      return (
        type === 'TXT' && record !== undefined ? { found: [record] } : { none: 'no-domain' }
      ) as never
    },
  },
})

/**
 * Whoever sends the message, it is from outside for the filters of mail from outside, and ours for the others: so every
 * filter has something to do.
 */
export const everything = (): MessageFilter => {
  const outside = { networks: [] }
  const own = { networks: ['0.0.0.0/0', '::/0'] }
  return compose(
    authenticate({ authservId: AUTHSERV_ID, dns, ...outside }),
    externalTag({ subject: '[\u00e9xtern]', ...outside }),
    disclaimer({ rules: { text: '-- \nCaf\u00e9 Ltd.' }, ...own }),
    dkimSign({ keys: KEYS, longLines: 'fold', ...own }),
    arcSeal({ authservId: AUTHSERV_ID, keys: KEYS, ...outside }),
  )
}

const changed = (what: string | RegExp, to: string): string =>
  MESSAGES['usual']!.replace(what, to)

/** What mail servers may send on as it is, and what they change before a filter sees it. */
export const COMPOSED: Readonly<Record<string, string>> = {
  ...MESSAGES,
  'a bare CR in the body': changed('Hello', 'a\rb\r\r\nc'),
  'a bare CR in the subject': changed('hello', 'a\rb'),
  'a folded From': changed('From: Alice ', 'From:\r\n\tAlice\r\n '),
  'a folded 8-bit subject': changed('hello', 'caf\xc3\xa9\r\n\t caf\xc3\xa9 \r\n  x'),
  'an encoded subject': changed('hello', '=?utf-8?Q?caf=C3=A9?=\r\n =?utf-8?Q?_x?='),
  'a field of 998': changed(/^To:/m, `X-Long: ${'x'.repeat(990)}\r\nTo:`),
  'a long subject': changed('hello', 'word '.repeat(400)),
  'lines of one dot': changed('Hello', '.\r\n\r\n.\r\n..'),
  'an alternative': changed(
    '\r\n\r\nHello',
    `\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>caf\xc3\xa9</p>\r\n--b--`,
  ),
}
