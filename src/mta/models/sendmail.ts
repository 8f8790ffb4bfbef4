import { ALL_ACTIONS, ALL_STEPS, PROTOCOL_VERSION } from '../../protocol/constants.ts'
import { encodeText } from '../../protocol/text.ts'
import { CONTENT_COMMANDS, OWN_NAME, type MacroCommand, type MailServerModel } from './model.ts'
import { SENDMAIL_NEGOTIATION } from './negotiation.ts'
import { SendmailQueuedMessage } from './sendmail-queue.ts'
import { sendmailRules, type SendmailVersion } from './versions.ts'

/** Sendmail with F=T and the settings of its m4 files (`sendmail/milter.c`). */
export function sendmailModel(version: SendmailVersion): MailServerModel {
  const { release, joinsRecipientFields } = sendmailRules(version)
  return {
    ...EVERY_VERSION,
    version: release,
    queue: (message) => new SendmailQueuedMessage(message, joinsRecipientFields),
  }
}

const EVERY_VERSION: Omit<MailServerModel, 'version' | 'queue'> = {
  name: 'sendmail',
  onFailure: 'tempfail',
  hangsUpAfter: ['421'],
  failureActions: ['accept', 'reject', 'tempfail', 'shutdown'],
  offer: { version: PROTOCOL_VERSION, actions: ALL_ACTIONS, steps: ALL_STEPS },
  timeouts: { connect: 300_000, command: 10_000, content: 10_000, endOfMessage: 300_000 },
  macros: {
    connect: ['j', '_', 'daemon_name', 'if_name', 'if_addr'],
    helo: ['tls_version', 'cipher', 'cipher_bits', 'cert_subject', 'cert_issuer'],
    mail: 'i auth_type auth_authen auth_ssf auth_author mail_mailer mail_host mail_addr'.split(
      ' ',
    ),
    rcpt: ['rcpt_mailer', 'rcpt_host', 'rcpt_addr'],
    data: [],
    header: [],
    eoh: [],
    body: [],
    eom: ['msg_id'],
    unknown: [],
  },
  sendsEmptyMacros: false,
  contentMacros: undefined,
  queueIdFrom: 'connect',
  skipAtHeader: 'body',
  takesProgressAnywhere: false,
  refusesPayloadOfVerdicts: false,
  failsFilterForEdits: false,
  negotiation: SENDMAIL_NEGOTIATION,
  // MilterMaxDataSize (milter.c milter_write).
  maxCommandData: 65_535,
  leaves: { accepted: 'quit', refused: 'at the end' },
  abortsBetweenMessages: false,
  unknownLine: (line) => line,
  takesForUnknown: () => true,
  ipv6: (address) => `IPv6:${allGroups(address)}`,
  // Sendmail falls back to its own text instead (MILTER_CHECK_REPLYCODE).
  replyFlaw(text) {
    if (!/^[45][0-9][0-9]/.test(text)) return 'it does not begin with a code of 4xx or 5xx'
    if (text.includes('\0')) return 'a NUL in it'
    return /%/.test(text.replaceAll('%%', ''))
      ? 'a single %, which is a format for Sendmail'
      : undefined
  },
  reply(what, at, address) {
    switch (what) {
      case 'reject':
        if (at === 'connect' || at === 'helo') return '550 5.0.0 Command rejected'
        if (CONTENT_COMMANDS.has(at)) return '554 5.7.1 Command rejected'
        return withAddress('550 5.7.1 Command rejected', at, address)
      default:
        return '451 4.3.2 Please try again later'
    }
  },
  ownReply(text, at, address) {
    // At CONNECT, only the class of the reply counts, except for 421 in one line (srvrsmtp.c).
    if (at === 'connect' && text.startsWith('421 '))
      return `421 4.7.0 ${OWN_NAME} closing connection`
    if (at === 'connect') return this.reply(text.startsWith('4') ? 'tempfail' : 'reject', at)
    return withAddress(withEnhancedCode(sevenBit(text)), at, address)
  },
  failureReply(action, { at, sender, lastRecipient }) {
    if (action === 'shutdown') {
      const answers = at === 'helo' || at === 'mail' || at === 'rcpt'
      return answers
        ? '421 4.3.0 closing connection'
        : `421 4.7.0 ${OWN_NAME} closing connection`
    }
    if (action === 'tempfail') return this.reply(action, at)
    // Sendmail says so in its reply to the next command.
    if (at === 'helo') return this.reply(action, 'mail', sender)
    if (at === 'mail') return this.reply(action, 'rcpt', lastRecipient)
    return this.reply(action, at === 'data' ? 'header' : at)
  },
  // Measured: it counts as an unknown reply.
  shutdown: 'unknown',
  // In 8.18, and in Debian's 8.17.1 from deb12u2 on; U and u2 of srv_features allow or replace it.
  refusal: ({ fields, body }) =>
    hasBareCR(body) || fields.some(({ raw }) => raw.includes(CR))
      ? '421 4.5.0 Bare carriage return (CR) not allowed'
      : undefined,
}

const CR = 0x0d
const LF = 0x0a

function hasBareCR(bytes: Uint8Array): boolean {
  for (let at = bytes.indexOf(CR); at !== -1; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] !== LF) return true
  }
  return false
}

/** Sendmail clears the eighth bit of replies. */
function sevenBit(text: string): string {
  return Buffer.from(encodeText(text).map((byte) => byte & 0x7f)).toString('latin1')
}

/**
 * At MAIL and RCPT, the address comes before the text, with only these three codes (err.c fmtmsg; measured with every
 * code from 400 to 599).
 */
function withAddress(text: string, at: MacroCommand, address: string | undefined): string {
  if (address === undefined || (at !== 'mail' && at !== 'rcpt')) return text
  return text.replace(
    /^((?:450|550|553)[ -](?:[245]\.\d{1,3}\.\d{1,3} )?)/,
    (start) => `${start}${address}... `,
  )
}

/**
 * If a reply has no enhanced status code with text after it, Sendmail adds x.0.0, in the first line only (err.c
 * fmtmsg).
 */
function withEnhancedCode(text: string): string {
  return text.replace(
    /^(([45])\d\d)([ -])(?![245]\.\d{1,3}\.\d{1,3} )/,
    (_all, code: string, kind: string, space: string) => `${code}${space}${kind}.0.0 `,
  )
}

/** All eight groups without leading zeros. This is the default of UseCompressedIPv6Addresses. */
function allGroups(address: string): string {
  const [head = '', tail] = address.split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  const missing = tail === undefined ? 0 : 8 - before.length - after.length
  return [...before, ...Array<string>(missing).fill('0'), ...after]
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')
}
