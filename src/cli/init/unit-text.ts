/** The unit of systemd: that of contrib/, with the paths of this machine and a user that can read keys. */

export interface UnitFacts {
  readonly node: string
  /** path of the program tsmilter */
  readonly command: string
  readonly folder: string
  readonly config: string
  /** group of the mail server, if the filter has a unix socket for it */
  readonly socketGroup: string | undefined
}

/** User of the service, and the name of its directory in /var/lib. */
export const SERVICE_USER = 'tsmilter'

/** @param template contrib/systemd/tsmilter.service */
export function unitText(template: string, facts: UnitFacts): string {
  const { node, command, folder, config, socketGroup } = facts
  const changes: readonly (readonly [RegExp, string])[] = [
    [/^# A mail filter under systemd[^]*?\n\n/, '# Written by tsmilter init.\n\n'],
    [/^ExecStart=.*$/m, `ExecStart=${[node, command, 'run', config].map(quoted).join(' ')}`],
    [/^WorkingDirectory=.*$/m, `WorkingDirectory=${percent(folder)}`],
    [
      /^# A user that exists while[^]*?^DynamicUser=yes$/m,
      `# The user that can read the keys. Stores are below /var/lib/${SERVICE_USER}.\nUser=${SERVICE_USER}\nStateDirectory=${SERVICE_USER}\nStateDirectoryMode=0750`,
    ],
    [
      /^#SupplementaryGroups=.*\n/m,
      socketGroup === undefined ? '' : `SupplementaryGroups=${socketGroup}\n`,
    ],
  ]
  return changes.reduce((text, [found, instead]) => {
    if (!found.test(text)) throw new Error(`the unit of contrib has no ${String(found)}`)
    return text.replace(found, () => instead)
  }, template)
}

/** systemd.unit(5), Specifiers. */
const percent = (text: string): string => text.replaceAll('%', '%%')

/** systemd.service(5), Command lines. */
const quoted = (word: string): string =>
  /^[\w/.@+:,=-]+$/.test(word)
    ? word
    : `"${percent(word).replaceAll(/["\\]/g, '\\$&').replaceAll('$', '$$$$')}"`
