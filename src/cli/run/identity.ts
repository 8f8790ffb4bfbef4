import { UsageError } from '../../errors.ts'
import { programOutput } from '../../server/program-output.ts'
import type { Identity } from './messages.ts'
import type { ProcessSettings } from '../../options/settings.ts'
import { nodeChangesUsers, setprivCommand } from './setpriv.ts'

/**
 * Who the workers become: the user with all its groups, or the group that was given instead of the
 * user's own.
 *
 * @throws UsageError INVALID_OPTION for names that do not exist, where this process is not root, and where nothing here
 *   changes users
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
      `the option ${name}: only root can become somebody else; start it as root, or leave it out`,
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

/** Asked as the system does (LDAP and all): Node itself cannot. A number need not be known there. */
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
