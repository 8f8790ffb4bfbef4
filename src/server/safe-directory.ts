import { lstat, realpath } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Who may change a directory besides root: the user and the group that the filter runs as. */
export interface Trusted {
  readonly uid?: number | undefined
  readonly gid?: number | undefined
}

/**
 * Who besides root can put something else in the place of what root makes in a directory, or in the place of the
 * directory itself; undefined if nobody can. Where only the owner of a file may move it (the sticky bit, as of
 * /tmp), others cannot.
 *
 * @returns words for a message, or undefined, always if this process is not root
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
    if (!sticky && (mode & 0o002) !== 0) return `everybody can write to the directory ${path}`
    if (!sticky && (mode & 0o020) !== 0 && gid !== 0 && gid !== trusted.gid)
      return `group ${gid} can write to the directory ${path}`
    if (path === '/') return undefined
  }
}
