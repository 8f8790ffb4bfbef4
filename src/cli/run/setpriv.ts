import { UsageError } from '../../errors.ts'
import { programOutput } from '../../server/program-output.ts'
import type { Identity } from './messages.ts'

/**
 * Whether this Node can change the user itself. A Node that was built with the libuv of its distribution, such as that
 * of Debian 13, cannot: it does not know whether that libuv has io_uring threads, which would stay root
 * (CVE-2024-22017; `SetGid` in src/node_credentials.cc). The call here changes nothing, but such a Node refuses it like
 * the others.
 */
export function nodeChangesUsers(): boolean {
  try {
    process.setgid!(process.getegid!())
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_INVALID_STATE') return false
    throw error
  }
}

/**
 * The command that starts a program as another user: setpriv(1) of util-linux. It is tried here with this Node, so that
 * the error comes before a worker starts.
 *
 * The groups are listed one by one. `--init-groups` would look up the user by number, and would add the user's own
 * group even if another group was given instead.
 *
 * @throws UsageError INVALID_OPTION if setpriv is missing or fails
 */
export async function setprivCommand(
  { uid, gid, name }: Identity,
  ownGid: number,
): Promise<readonly string[]> {
  const option = uid === undefined ? 'group' : 'user'
  const groups = name === undefined ? [] : await groupsOf(name, ownGid)
  const command = [
    'setpriv',
    ...(uid === undefined ? [] : ['--reuid', String(uid)]),
    '--regid',
    String(gid),
    '--groups',
    [gid, ...groups].join(','),
    '--',
  ]
  const tried = await programOutput([...command, process.execPath, '--version'])
  if (tried instanceof Error) throw impossible(option, tried)
  return command
}

/** The groups of a user according to the system, without the user's own group. */
async function groupsOf(name: string, ownGid: number): Promise<number[]> {
  const ids = await programOutput(['id', '-G', '--', name])
  if (ids instanceof Error) throw impossible('user', ids)
  return ids
    .trim()
    .split(' ')
    .map(Number)
    .filter((id) => id !== ownGid)
}

function impossible(option: string, { message }: Error): UsageError {
  const why = message.trim().replaceAll(/\s+/g, ' ')
  return new UsageError(
    'INVALID_OPTION',
    `the option ${option}: this build of Node ${process.versions.node} cannot change the user (io_uring, CVE-2024-22017), and setpriv of util-linux fails as well (${why}); start tsmilter as that user, for example with User= in a systemd unit`,
  )
}
