import { lstat, realpath } from 'node:fs/promises'
import { dirname } from 'node:path'

/** User and group of the filter, which may also change a directory. */
export interface Trusted {
  readonly uid?: number | undefined
  readonly gid?: number | undefined
}

/**
 * Finds a user or group other than root that can replace a file that root creates in a directory, or the directory
 * itself. In a directory with the sticky bit, such as /tmp, only the owner of a file can move it.
 *
 * @returns a phrase for a message; undefined if there is no such user or group, or if this process is not root
 */
export async function strangerIn(
  directory: string,
  trusted: Trusted = {},
): Promise<string | undefined> {
  if (process.geteuid?.() !== 0) return undefined
  for (let path = await realpath(directory); ; path = dirname(path)) {
    const { uid, gid, mode } = await lstat(path)
    const sticky = (mode & 0o1000) !== 0
    if (uid !== 0 && uid !== trusted.uid) return `the directory ${path} belongs to user ${uid}`
    if (!sticky && (mode & 0o002) !== 0) return `all users can write to the directory ${path}`
    if (!sticky && (mode & 0o020) !== 0 && gid !== 0 && gid !== trusted.gid)
      return `group ${gid} can write to the directory ${path}`
    if (path === '/') return undefined
  }
}
