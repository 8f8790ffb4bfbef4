import type { FailureAction } from '../../../src/mta/index.ts'
import { macroNames, type MacroStage, type StartOptions } from './mail-server.ts'
import { parseMilterAddress } from './milter-address.ts'

export interface SendmailSettings {
  /** The instance's own directory. */
  readonly directory: string
  /** Where the packages are unpacked. */
  readonly root: string
  readonly port: number
  readonly sinkPort: number
  readonly options: StartOptions
  readonly tls: { readonly key: string; readonly certificate: string } | undefined
}

const MACROS: Readonly<Record<MacroStage, string>> = {
  connect: 'CONNECT',
  helo: 'HELO',
  mail: 'ENVFROM',
  rcpt: 'ENVRCPT',
  data: 'DATA',
  eoh: 'EOH',
  eom: 'EOM',
}

const ACTIONS: Readonly<Record<FailureAction | 'as installed', string>> = {
  tempfail: ', F=T',
  reject: ', F=R',
  shutdown: ', F=4',
  accept: '',
  quarantine: '',
  'as installed': '',
}

/** Where the server sees the directory of its n-th filter's unix socket, see sendmail.ts. */
export function socketFolder(index: number): string {
  return `/dev/milter${index}`
}

function filter(spec: string, index: number, options: StartOptions): string {
  const address = parseMilterAddress(spec)
  const socket =
    address.family === 'unix'
      ? `local:${socketFolder(index)}/${address.path.slice(address.path.lastIndexOf('/') + 1)}`
      : // Sendmail reads an IPv6 address in brackets only (milter.c, milter_open).
        `${address.family}:${address.port}@${address.family === 'inet6' ? `[${address.host}]` : address.host}`
  const action = ACTIONS[options.defaultAction ?? 'tempfail']
  const seconds = options.timeout ?? 10
  // E is the time for the whole end of the message, the others are for one answer.
  const timeouts = `C:${seconds}s;S:${seconds}s;R:${seconds}s;E:${3 * seconds}s`
  return `INPUT_MAIL_FILTER(\`f${index}', \`S=${socket}${action}, T=${timeouts}')dnl`
}

function define(name: string, value: string | number): string {
  return `define(\`${name}', \`${value}')dnl`
}

/** The .mc file, which m4 makes the .cf file of. */
export function sendmailMc(settings: SendmailSettings): string {
  const { directory, options, tls } = settings
  const cf = `${settings.root}/usr/share/sendmail/cf/`
  const unsafe = [
    'GroupWritableDirPathSafe',
    'MapInUnsafeDirPath',
    'LinkedMapInWritableDir',
    'WorldWritableAliasFile',
    'GroupWritableAliasFile',
    // The certificate lies below the directory for temporary files.
    'TrustStickyBit',
  ]
  const lines = [
    'divert(-1)dnl',
    define('_CF_DIR_', cf),
    `include(\`${cf}m4/cf.m4')dnl`,
    'divert(0)dnl',
    "VERSIONID(`tsmilter test')",
    "OSTYPE(`linux')dnl",

    // All files are its own, wherever the temporary directory is.
    define('confSERVICE_SWITCH_FILE', `${directory}/service.switch`),
    define('QUEUE_DIR', `${directory}/queue`),
    define('STATUS_FILE', `${directory}/statistics`),
    define('HELP_FILE', `${directory}/helpfile`),
    define('confPID_FILE', `${directory}/sendmail.pid`),
    define('ALIAS_FILE', `${directory}/aliases`),
    define('confDONT_BLAME_SENDMAIL', unsafe.join(',')),
    define('confDEF_USER_ID', '65534:65534'),

    // Loopback only, no DNS, no ident.
    "undefine(`confBIND_OPTS')dnl",
    define('confDOMAIN_NAME', 'mx.sendmail.test'),
    define('confDONT_PROBE_INTERFACES', 'True'),
    define('confTO_IDENT', '0s'),

    // Nothing is slowed down because the machine is busy or the client odd.
    define('confQUEUE_LA', 10_000),
    define('confREFUSE_LA', 10_000),
    define('confDELAY_LA', 10_000),
    define('confMAX_DAEMON_CHILDREN', 0),
    define('confCONNECTION_RATE_THROTTLE', 0),
    define('confMAX_NOOP_COMMANDS', 100_000),
    define('confBAD_RCPT_THROTTLE', 0),

    define('confDELIVERY_MODE', 'background'),
    define('confMAX_HEADERS_LENGTH', 4_194_304),
    define('confEIGHT_BIT_HANDLING', 'pass8'),
    define('confPRIVACY_FLAGS', ''),
    define('confLOG_LEVEL', 14),
    define('confMILTER_LOG_LEVEL', 14),

    // All mail goes to the sink. L=0: no line is cut.
    define('RELAY_MAILER_ARGS', `TCP $h ${settings.sinkPort}`),
    define('RELAY_MAILER_MAXLINE', 0),
    define('SMART_HOST', 'relay:[127.0.0.1]'),
    "FEATURE(`nocanonify')dnl",
    "FEATURE(`no_default_msa')dnl",
    "FEATURE(`accept_unresolvable_domains')dnl",
    "FEATURE(`accept_unqualified_senders')dnl",
    "FEATURE(`promiscuous_relay')dnl",
    `FEATURE(\`access_db', \`hash -T<TMPF> ${directory}/access')dnl`,
    "FEATURE(`blocklist_recipients')dnl",

    // A queue of 10, the default, overflows with 20 clients at once; their next try is 1 s later.
    `DAEMON_OPTIONS(\`Family=inet, Name=MTA, Port=${settings.port}, Addr=127.0.0.1, Listen=1024')dnl`,
    ...(tls
      ? [
          // Without others' certificates there is no STARTTLS at all.
          define('confCACERT_PATH', directory),
          define('confCACERT', tls.certificate),
          define('confSERVER_CERT', tls.certificate),
          define('confSERVER_KEY', tls.key),
        ]
      : []),
    ...(Object.keys(MACROS) as MacroStage[]).flatMap((stage) => {
      const list = options.macros?.[stage]
      if (list === undefined) return []
      // Quoted twice: the list is expanded once more when the .cf is written.
      return [define(`confMILTER_MACROS_${MACROS[stage]}`, `\`${macroNames(list).join(', ')}'`)]
    }),
    ...options.milters.map((spec, index) => filter(spec, index, options)),
    ...(options.config ?? []),
    "MAILER(`local')dnl",
    "MAILER(`smtp')dnl",

    // nomailer.test is local, to have the "User unknown" that filters can see (SMFIP_RCPT_REJ).
    'LOCAL_RULE_0',
    'R$+ < @ nomailer.test . >\t$#local $: $1',
    'R$+ < @ nomailer.test >\t$#local $: $1',
    'R$+ < @ $=w . >\t\t$#relay $@ [127.0.0.1] $: $1 < @ $2 . >',
    'R$-\t\t\t$#relay $@ [127.0.0.1] $: $1 < @ $j . >',
    '',
  ]
  return lines.join('\n')
}

export const ACCESS = [
  'To:rejected.test\tERROR:5.1.1:550 No such user (refused by Sendmail itself)',
  'To:tempfail.test\tERROR:4.2.1:450 Try later (deferred by Sendmail itself)',
  'To:held.test\tQUARANTINE:held by Sendmail itself',
  '',
].join('\n')
