import { macroNames, type MacroStage, type StartOptions } from './mail-server.ts'
import { parseMilterAddress } from './milter-address.ts'

export interface PostfixSettings {
  /** The instance's own directory. */
  readonly directory: string
  readonly port: number
  readonly sinkPort: number
  readonly options: StartOptions
  /** Whether the filters also see mail that comes through Postfix's sendmail command. */
  readonly nonSmtpdMilters: boolean
  readonly tls: { readonly key: string; readonly certificate: string } | undefined
}

const MACROS: Readonly<Record<MacroStage, string>> = {
  connect: 'milter_connect_macros',
  helo: 'milter_helo_macros',
  mail: 'milter_mail_macros',
  rcpt: 'milter_rcpt_macros',
  data: 'milter_data_macros',
  eoh: 'milter_end_of_header_macros',
  eom: 'milter_end_of_data_macros',
}

/** Postfix writes `inet:HOST:PORT`, the other way round than libmilter. */
function milter(spec: string): string {
  const address = parseMilterAddress(spec)
  if (address.family === 'unix') return `unix:${address.path}`
  const host = address.family === 'inet6' ? `[${address.host}]` : address.host
  return `inet:${host}:${address.port}`
}

export function mainCf(settings: PostfixSettings): string {
  const { directory, options } = settings
  const milters = options.milters.map(milter).join(', ')
  const timeout = options.timeout ?? 10
  const lines = [
    'compatibility_level = 3.6',
    `config_directory = ${directory}/etc`,
    `queue_directory = ${directory}/spool`,
    `data_directory = ${directory}/data`,
    `maillog_file = ${directory}/mail.log`,
    `maillog_file_prefixes = ${directory}`,
    'myhostname = mx.postfix.test',
    'mydomain = postfix.test',
    'myorigin = postfix.test',
    'mydestination =',
    'smtpd_banner = $myhostname ESMTP Postfix',

    // Loopback only and no DNS.
    'inet_interfaces = 127.0.0.1',
    'inet_protocols = all',
    'smtp_address_preference = ipv4',
    'mynetworks = 0.0.0.0/0 [::]/0',
    'smtp_host_lookup = native',
    'smtp_dns_support_level = disabled',
    'disable_dns_lookups = yes',

    // The message stays as the client sent it: no Date, no Message-Id, no completed addresses.
    'append_dot_mydomain = no',
    'local_header_rewrite_clients =',
    'notify_classes =',
    'smtp_line_length_limit = 0',
    'disable_mime_output_conversion = yes',
    'message_size_limit = 0',
    'header_size_limit = 1048576',
    'line_length_limit = 1048576',
    'smtpd_forbid_bare_newline = no',
    'smtputf8_enable = yes',

    // Every recipient exists, and all mail goes to the sink, in one piece.
    'local_recipient_maps =',
    'alias_maps =',
    'alias_database =',
    'relay_domains =',
    'relayhost =',
    `default_transport = smtp:[127.0.0.1]:${settings.sinkPort}`,
    'relay_transport = $default_transport',
    'local_transport = $default_transport',
    'virtual_transport = $default_transport',
    'smtp_tls_security_level = none',
    'smtp_connection_cache_on_demand = no',
    'default_destination_recipient_limit = 1000',
    'in_flow_delay = 0',
    'maximal_queue_lifetime = 1h',
    'bounce_queue_lifetime = 1h',
    'smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination',
    `smtpd_recipient_restrictions = check_recipient_access regexp:${directory}/etc/recipients,`,
    '    permit_mynetworks, reject',

    // A test plays every client there is, and makes as many mistakes as it likes.
    'smtpd_authorized_xclient_hosts = 127.0.0.0/8',
    'smtpd_client_event_limit_exceptions = static:all',
    'smtpd_error_sleep_time = 0',
    'smtpd_soft_error_limit = 10000',
    'smtpd_hard_error_limit = 10000',
    'smtpd_junk_command_limit = 10000',

    `smtpd_milters = ${milters}`,
    `non_smtpd_milters = ${settings.nonSmtpdMilters ? milters : ''}`,
    ...defaultAction(options.defaultAction ?? 'tempfail'),
    `milter_protocol = ${options.milterProtocol ?? 6}`,
    `milter_connect_timeout = ${timeout}s`,
    `milter_command_timeout = ${timeout}s`,
    `milter_content_timeout = ${timeout}s`,
    ...(Object.keys(MACROS) as MacroStage[]).flatMap((stage) => {
      const list = options.macros?.[stage]
      return list === undefined ? [] : [`${MACROS[stage]} = ${macroNames(list).join(' ')}`]
    }),
  ]
  if (settings.tls) {
    lines.push(
      'smtpd_tls_security_level = may',
      `smtpd_tls_cert_file = ${settings.tls.certificate}`,
      `smtpd_tls_key_file = ${settings.tls.key}`,
    )
  }
  return [...lines, ...(options.config ?? []), ''].join('\n')
}

/** @param chroot as in Debian's master.cf, where the processes that speak to filters see the queue directory only */
export function masterCf(port: number, chroot: boolean): string {
  const jail = chroot ? 'y' : 'n'
  // Postfix's own master.cf, with one listener.
  return `127.0.0.1:${port} inet n - ${jail} - - smtpd
pickup     unix       n - n 60    1 pickup
cleanup    unix       n - ${jail} -     0 cleanup
qmgr       unix       n - n 300   1 qmgr
tlsmgr     unix       - - n 1000? 1 tlsmgr
rewrite    unix       - - n -     - trivial-rewrite
bounce     unix       - - n -     0 bounce
defer      unix       - - n -     0 bounce
trace      unix       - - n -     0 bounce
verify     unix       - - n -     1 verify
flush      unix       n - n 1000? 0 flush
proxymap   unix       - - n -     - proxymap
proxywrite unix       - - n -     1 proxymap
smtp       unix       - - n -     - smtp
relay      unix       - - n -     - smtp
showq      unix       n - n -     - showq
error      unix       - - n -     - error
retry      unix       - - n -     - error
discard    unix       - - n -     - discard
local      unix       - n n -     - local
virtual    unix       - n n -     - virtual
lmtp       unix       - - n -     - lmtp
anvil      unix       - - n -     1 anvil
scache     unix       - - n -     1 scache
postlog    unix-dgram n - n -     1 postlogd
`
}

export const RECIPIENTS = String.raw`/@rejected\.test$/ 550 5.1.1 No such user (refused by Postfix itself)
/@nomailer\.test$/ 550 5.1.1 No such user (refused by Postfix itself)
/@tempfail\.test$/ 450 4.2.1 Try later (deferred by Postfix itself)
/@held\.test$/ HOLD
`

const defaultAction = (action: NonNullable<StartOptions['defaultAction']>): string[] =>
  action === 'as installed' ? [] : [`milter_default_action = ${action}`]
