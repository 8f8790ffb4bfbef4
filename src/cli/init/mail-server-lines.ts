/** What the mail server needs to find the filter: lines for Postfix and for Sendmail. docs/mail-server.md says why. */
import type { ListenAddress } from '../../net/listen-address.ts'

export type MailServerName = 'postfix' | 'sendmail'

/** The usual queue directory: a chrooted smtpd sees nothing else, and takes paths from there on. */
const POSTFIX_QUEUE = '/var/spool/postfix/'

const hostOf = ({ host, family }: ListenAddress & { readonly type: 'tcp' }): string =>
  family === 6 ? `[${host}]` : host

/** `inet:HOST:PORT`, as Postfix writes it (MILTER_README). */
export function postfixAddress(address: ListenAddress): string {
  if (address.type === 'tcp') return `inet:${hostOf(address)}:${address.port}`
  if (address.type === 'fd') return 'unix:/run/tsmilter.sock'
  return `unix:${address.path.startsWith(POSTFIX_QUEUE) ? address.path.slice(POSTFIX_QUEUE.length) : address.path}`
}

/** `inet:PORT@HOST`, as Sendmail writes it. It takes IPv6 in brackets only (milter.c, milter_open). */
export function sendmailAddress(address: ListenAddress): string {
  if (address.type === 'fd') return 'local:/run/tsmilter.sock'
  if (address.type === 'unix') return `local:${address.path}`
  return `${address.family === 6 ? 'inet6' : 'inet'}:${address.port}@${hostOf(address)}`
}

/**
 * Commands that change main.cf. The timeouts are longer than the deadlines of tsmilter, also if main.cf has shorter ones
 * for all milters; settings in braces came with Postfix 3.0.
 *
 * @param signs bounces are signed, too
 */
export const postfixLines = (address: ListenAddress, signs: boolean): readonly string[] => [
  `postconf -e 'smtpd_milters = { ${postfixAddress(address)}, command_timeout = 30s, content_timeout = 300s }'`,
  "postconf -e 'non_smtpd_milters = $smtpd_milters'",
  "postconf -e 'milter_default_action = tempfail'",
  ...(signs ? ["postconf -e 'internal_mail_filter_classes = bounce'"] : []),
]

/** Lines for sendmail.mc, above MAILER. */
export const sendmailLines = (address: ListenAddress): readonly string[] => [
  `INPUT_MAIL_FILTER(\`tsmilter', \`S=${sendmailAddress(address)}, F=T, T=S:10s;R:10s;E:5m')dnl`,
]
