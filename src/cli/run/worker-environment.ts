import type { Identity } from './messages.ts'

/** Meant for the primary alone. */
const OF_THE_PRIMARY = [
  'NOTIFY_SOCKET',
  'WATCHDOG_USEC',
  'WATCHDOG_PID',
  'LISTEN_FDS',
  'LISTEN_PID',
  'LISTEN_FDNAMES',
  // Of node --watch: a worker would tell the primary which files it has loaded.
  'WATCH_REPORT_DEPENDENCIES',
]

/**
 * Of the login of who has started the primary: its files, its agents and its shell, which are nothing to another
 * user (su(1) and sudo(8) leave out the same). All else may be what a filter is configured by, and stays.
 */
const OF_A_LOGIN =
  /^(?:XDG_.*|SUDO_.*|SSH_.*|GPG_.*|DBUS_.*|MAIL|MAILPATH|OLDPWD|SHELL|KRB5CCNAME|GNUPGHOME|XAUTHORITY|DISPLAY|BASH_ENV|ENV|HISTFILE|npm_.*|NPM_.*)$/

/** What a worker gets of the primary's environment; all of it but the above. */
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
  // Programs that a filter starts would look for their files with root.
  env['HOME'] = identity.home ?? '/'
  env['USER'] = env['LOGNAME'] = identity.name ?? String(identity.uid)
  return env
}

/** The primary has the inspector's port; Node says which one a worker has got. */
export const onFreePort = (argument: string): string =>
  argument.replaceAll(/(?<!\S)(--inspect(?:-brk|-wait)?)(?:=\S*)?(?!\S)/g, '$1=127.0.0.1:0')
