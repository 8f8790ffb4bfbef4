import type { Identity } from './messages.ts'

/** Variables that are only for the primary. */
const OF_THE_PRIMARY = [
  'NOTIFY_SOCKET',
  'WATCHDOG_USEC',
  'WATCHDOG_PID',
  'LISTEN_FDS',
  'LISTEN_PID',
  'LISTEN_FDNAMES',
  // Set by node --watch: a worker would report to the primary which files it has loaded.
  'WATCH_REPORT_DEPENDENCIES',
]

/**
 * Variables of the login that started the primary: its files, its agents and its shell. Another user must not get them
 * (su(1) and sudo(8) remove the same). All other variables stay, because they may configure a filter.
 */
const OF_A_LOGIN =
  /^(?:XDG_.*|SUDO_.*|SSH_.*|GPG_.*|DBUS_.*|MAIL|MAILPATH|OLDPWD|SHELL|KRB5CCNAME|GNUPGHOME|XAUTHORITY|DISPLAY|BASH_ENV|ENV|HISTFILE|npm_.*|NPM_.*)$/

/** The environment of a worker: that of the primary without the variables above. */
export function workerEnvironment(
  primary: Readonly<NodeJS.ProcessEnv>,
  identity: Identity | undefined,
): NodeJS.ProcessEnv {
  const env = { ...primary }
  for (const name of OF_THE_PRIMARY) delete env[name]
  const { NODE_OPTIONS } = env
  if (NODE_OPTIONS !== undefined) env['NODE_OPTIONS'] = onFreePort(NODE_OPTIONS)
  if (identity?.uid === undefined) return env
  for (const name of Object.keys(env)) if (OF_A_LOGIN.test(name)) delete env[name]
  // Otherwise programs that a filter starts would look for their files in the home directory of root.
  env['HOME'] = identity.home ?? '/'
  env['USER'] = env['LOGNAME'] = identity.name ?? String(identity.uid)
  return env
}

/** The primary has the port of the inspector. A worker takes any free port, and Node logs which one. */
export const onFreePort = (argument: string): string =>
  argument.replaceAll(/(?<!\S)(--inspect(?:-brk|-wait)?)(?:=\S*)?(?!\S)/g, '$1=127.0.0.1:0')
