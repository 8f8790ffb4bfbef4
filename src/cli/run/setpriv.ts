import { UsageError } from '../../errors.ts'
import { programOutput } from '../../server/program-output.ts'
import type { Identity } from './messages.ts'

/**
 * Whether this Node changes users itself. One that was built with its distribution's libuv does not, as Debian 13's:
 * it cannot know whether that libuv has threads of io_uring, which would stay root (CVE-2024-22017; `SetGid` of
 * src/node_credentials.cc). What is tried changes nothing, and is refused as all the others are.
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
 * The command that starts a program as somebody else: setpriv(1) of util-linux. It is tried here, with this Node,
 * so that a worker does not fail for want of it.
 *
 * The groups are listed: `--init-groups` would look the user up by number, and add the user's own group where
 * another one was given instead.
 *
 * @throws UsageError INVALID_OPTION where it is missing or cannot do it
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

/** The groups of a user but its own, as the system knows them. */
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
    `the option ${option}: Node ${process.versions.node} as it was built here does not change users (io_uring, CVE-2024-22017), and setpriv of util-linux cannot do it either (${why}); start tsmilter as that user, with User= of a systemd unit`,
  )
}
