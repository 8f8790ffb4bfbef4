import { ALL_ACTIONS, ALL_STEPS, PROTOCOL_VERSION } from '../../protocol/constants.ts'
import { CONTENT_COMMANDS, OWN_NAME, type CannedReply, type MailServerModel } from './model.ts'
import { POSTFIX_NEGOTIATION } from './negotiation.ts'
import { PostfixQueuedMessage } from './postfix-queue.ts'
import { postfixRules, type PostfixVersion } from './versions.ts'

const QUEUE_ID = ['i']

const REPLIES: Readonly<Record<CannedReply, string>> = {
  reject: '550 5.7.1 Command rejected',
  tempfail: '451 4.7.1 Service unavailable - try again later',
  shutdown: '421 4.7.0 Server closing connection',
}

/** At CONNECT, Postfix hangs up with its own text (smtpd.c). */
const GREETING = `421 ${OWN_NAME} Service unavailable - try again later`

/** Postfix with its default settings for filters (`src/milter/milter8.c`, `main.cf`). */
export function postfixModel(version: PostfixVersion): MailServerModel {
  const rules = postfixRules(version)
  return {
    ...EVERY_VERSION,
    version: `Postfix ${rules.release}`,
    onFailure: rules.onFailure,
    unknownLine: (line) => (rules.unknown === 'line' ? line : line.split(' ', 1)[0]!),
    takesForUnknown: (reply) => rules.unknownReplies === 'all' || reply.startsWith('4'),
    shutdown: rules.shutdown,
    failureReply: (action, { at, misconfigured }) => {
      const known = action !== 'shutdown' || rules.knowsShutdown
      if (known && action === 'reject' && !misconfigured) return '550 5.5.0 Service unavailable'
      if (known && action === 'shutdown' && at === 'connect') return GREETING
      const code = known && action === 'shutdown' ? '421' : '451'
      return misconfigured || !known
        ? `${code} 4.3.5 Server configuration problem - try again later`
        : `${code} 4.7.1 Service unavailable - try again later`
    },
    replyFlaw: (text) =>
      rules.replyChecked === 'each line'
        ? flawOfLines(text)
        : flawOf(text.replace(/\0.*$/s, '')),
  }
}

function flawOfLines(text: string): string | undefined {
  if (text.includes('\0')) return 'a NUL in it'
  return text
    .split(/\r?\n/)
    .map(flawOf)
    .find((flaw) => flaw !== undefined)
}

function flawOf(line: string): string | undefined {
  if (!/^[45][0-9][0-9][ -]/.test(line)) return 'no code of 4xx or 5xx with a space after it'
  if (/^.{4}[0-9]/s.test(line) && line[4] !== line[0]) {
    return 'its enhanced status code is of another class than its code'
  }
  return undefined
}

type Versioned =
  | 'version'
  | 'onFailure'
  | 'unknownLine'
  | 'takesForUnknown'
  | 'shutdown'
  | 'failureReply'
  | 'replyFlaw'

const EVERY_VERSION: Omit<MailServerModel, Versioned> = {
  name: 'postfix',
  // SMTPD_FLAG_HANGUP (smtpd.h).
  hangsUpAfter: ['421', '521'],
  failureActions: ['accept', 'reject', 'tempfail', 'quarantine', 'shutdown'],
  offer: { version: PROTOCOL_VERSION, actions: ALL_ACTIONS, steps: ALL_STEPS },
  timeouts: { connect: 30_000, command: 30_000, content: 300_000, endOfMessage: 0 },
  macros: {
    connect: ['j', 'daemon_name', 'daemon_addr', 'v', '_'],
    helo: ['tls_version', 'cipher', 'cipher_bits', 'cert_subject', 'cert_issuer'],
    mail: [
      'i',
      'auth_type',
      'auth_authen',
      'auth_author',
      'mail_addr',
      'mail_host',
      'mail_mailer',
    ],
    rcpt: ['i', 'rcpt_addr', 'rcpt_host', 'rcpt_mailer'],
    data: QUEUE_ID,
    // The macros of eoh before each header, those of eom before each chunk.
    header: QUEUE_ID,
    eoh: QUEUE_ID,
    body: QUEUE_ID,
    eom: QUEUE_ID,
    unknown: [],
  },
  sendsEmptyMacros: true,
  // Another process sends the content. It knows only these macros (cleanup_milter.c cleanup_milter_eval).
  contentMacros: new Set(
    (
      'i j v _ daemon_name daemon_addr daemon_port client_addr client_name client_port ' +
      'client_ptr auth_type auth_authen auth_author'
    ).split(' '),
  ),
  queueIdFrom: 'first recipient',
  skipAtHeader: 'header',
  takesProgressAnywhere: true,
  refusesPayloadOfVerdicts: true,
  failsFilterForEdits: true,
  negotiation: POSTFIX_NEGOTIATION,
  // Long fields are cut earlier (postfix-queue.ts), and nothing else grows so long.
  maxCommandData: Infinity,
  leaves: { accepted: 'silently', refused: 'silently' },
  abortsBetweenMessages: true,
  ipv6: (address) => address,
  reply(what, at) {
    if (what !== 'shutdown') return REPLIES[what]
    if (at === 'connect') return GREETING
    // Another process sends the content (cleanup_milter.c), and may not know this macro at all.
    return CONTENT_COMMANDS.has(at) ? '421 4.7.0 Service unavailable' : REPLIES[what]
  },
  ownReply: (text, at) => (at === 'connect' && text.startsWith('421') ? GREETING : text),
  refusal: () => undefined,
  queue: (message) => new PostfixQueuedMessage(message),
}
