import { UsageError } from '../../errors.ts'
import { programOutput } from '../../server/program-output.ts'
import type { Identity } from './messages.ts'
import type { ProcessSettings } from '../../options/settings.ts'
import { nodeChangesUsers, setprivCommand } from './setpriv.ts'

/**
 * The identity of the workers: the user with all its groups. The option `group` replaces the user's own group.
 *
 * @throws UsageError INVALID_OPTION if a name does not exist, if this process is not root, or if neither Node nor
 * setpriv
 *   can change the user
 */
export async function identityOf({
  user,
  group,
}: ProcessSettings): Promise<Identity | undefined> {
  if (user === undefined && group === undefined) return undefined
  if (process.getuid?.() !== 0) {
    const name = user === undefined ? 'group' : 'user'
    throw new UsageError(
      'INVALID_OPTION',
      `the option ${name}: only root can change the ${name}; start tsmilter as root, or leave the option out`,
    )
  }
  const account = user === undefined ? undefined : await entry('passwd', 'user', user)
  const gid =
    group === undefined
      ? Number(account![3])
      : Number((await entry('group', 'group', group))[2])
  const identity: Identity = {
    uid: account === undefined ? undefined : Number(account[2]),
    gid,
    name: account?.[0],
    home: account?.[5],
  }
  if (nodeChangesUsers()) return identity
  const ownGid = account === undefined ? gid : Number(account[3])
  return { ...identity, setpriv: await setprivCommand(identity, ownGid) }
}

/** Looks up an account with getent(1), which includes LDAP and the like. Node cannot. A number need not exist there. */
async function entry(
  database: 'passwd' | 'group',
  kind: 'user' | 'group',
  name: string | number,
): Promise<(string | undefined)[]> {
  const line = await programOutput(['getent', '--', database, String(name)])
  if (typeof line === 'string' && line !== '') return line.trim().split(':')
  if (/^\d+$/.test(String(name))) return [undefined, '', String(name), String(name)]
  throw new UsageError(
    'INVALID_OPTION',
    `the option ${kind}: there is no ${kind} ${JSON.stringify(name)} here`,
  )
}
