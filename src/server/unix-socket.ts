import { codeOf } from '../net/system-error.ts'
import {
  chmod,
  lchown,
  lstat,
  mkdir,
  mkdtemp,
  rename,
  rm,
  rmdir,
  unlink,
} from 'node:fs/promises'
import { lchownSync, lstatSync, readdirSync, type Stats } from 'node:fs'
import cluster from 'node:cluster'
import { connect, type Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { setTimeout } from 'node:timers/promises'
import { ListenError } from '../errors.ts'
import { MAX_SOCKET_PATH } from '../net/listen-address.ts'
import type { SocketPermissions } from '../options/types.ts'
import { programOutput } from './program-output.ts'
import { strangerIn, type Trusted } from './safe-directory.ts'

/** A socket that was placed at a path. */
export interface PlacedSocket {
  readonly path: string
  readonly device: number
  readonly inode: number
}

/**
 * Listens on a unix socket. The socket is created in a private directory beside the path and then moved into place, so
 * it has its mode, owner and group before other programs can see it. A stale socket is replaced if no process answers
 * on it. Any other file at the path stays untouched.
 *
 * @param trusted user and group that may write to the directory, if this process is root
 * @throws ListenError ADDRESS_IN_USE, NOT_A_SOCKET, LISTEN_FAILED
 */
export async function listenOnPath(
  server: Server,
  path: string,
  permissions: SocketPermissions,
  backlog: number,
  trusted?: Trusted,
): Promise<PlacedSocket> {
  const ids = await ownership(path, permissions)
  let directory: string | undefined
  try {
    await refuseStrangers(path, trusted)
    // Mode 0700: no other user can connect to the socket while it is prepared.
    directory = await mkdtemp(join(dirname(path), privatePrefix(path)))
    const draft = join(directory, draftName(directory))
    const wanted = { mode: permissions.mode, ids, backlog }
    const { dev, ino } = await (canEnter() ? bindInside : bindAt)(server, draft, wanted)
    await place(draft, path)
    return { path, device: dev, inode: ino }
  } catch (error) {
    server.close()
    throw listenError(path, error)
  } finally {
    if (directory !== undefined) await discard(directory)
  }
}

async function refuseStrangers(path: string, trusted: Trusted | undefined): Promise<void> {
  const stranger = await strangerIn(dirname(path), trusted)
  if (stranger === undefined) return
  throw new ListenError(
    'LISTEN_FAILED',
    `cannot listen on ${path}: ${stranger}, so another user could replace the socket; choose a directory that only root can write to`,
  )
}

interface Wanted {
  readonly mode: number | undefined
  readonly ids: { uid: number; gid: number } | undefined
  readonly backlog: number
}

/** A thread cannot call chdir. In a worker of node:cluster, the primary binds, and later. */
const canEnter = (): boolean => isMainThread && !cluster.isWorker

/**
 * Binds in one turn of the event loop, from within the directory. A user who can write to the parent directory, such as
 * the user of a filter that root starts, can replace the directory with a link. But this process stays in the original
 * directory. With a path, each system call would look up the directory again.
 */
async function bindInside(server: Server, draft: string, wanted: Wanted): Promise<Stats> {
  const { mode, ids, backlog } = wanted
  const [directory, name] = [dirname(draft), basename(draft)]
  const before = process.cwd()
  let bound: Promise<void>
  let made: Stats | undefined
  process.chdir(directory)
  try {
    const here = lstatSync('.')
    if (
      here.uid !== process.geteuid!() ||
      (here.mode & 0o077) !== 0 ||
      readdirSync('.').length > 0
    )
      throw new Error(`another user has replaced ${directory}`)
    // The mode is set with the umask, because chmod follows links.
    const umask = mode === undefined ? undefined : process.umask(0o777 & ~mode)
    try {
      bound = listening(server, name, backlog)
    } finally {
      if (umask !== undefined) process.umask(umask)
    }
    made = lstatSync(name, { throwIfNoEntry: false })
    if (made !== undefined && ids !== undefined) lchownSync(name, ids.uid, ids.gid)
  } finally {
    process.chdir(before)
  }
  // If there is no socket, this throws the reason.
  await bound
  return made!
}

async function bindAt(server: Server, draft: string, wanted: Wanted): Promise<Stats> {
  const { mode, ids, backlog } = wanted
  await listening(server, draft, backlog)
  if (mode !== undefined) await chmod(draft, mode)
  if (ids !== undefined) await lchown(draft, ids.uid, ids.gid)
  return await lstat(draft)
}

/** Removes the socket, if it is still the one that was placed there. */
export async function removeSocket(socket: PlacedSocket): Promise<void> {
  try {
    const now = await lstat(socket.path)
    if (now.dev === socket.device && now.ino === socket.inode) await unlink(socket.path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

/**
 * The name of the socket in its private directory. A socket that is bound by name alone appears with that name in
 * `ss -x`. At the end, libuv removes the name again, in the current directory of the process. So no other file may have
 * it. If the path includes the directory, the name must be short.
 */
const draftName = (directory: string): string => (canEnter() ? basename(directory) : 's')

/** The prefix of the private directory. It contains the name of the socket if there is room. */
function privatePrefix(path: string): string {
  const room =
    MAX_SOCKET_PATH - Buffer.byteLength(join(dirname(path), '/')) - '..XXXXXX/s'.length
  const name = basename(path)
  return Buffer.byteLength(name) <= room ? `.${name}.` : '.'
}

/** The socket is bound during the call. The event `listening` comes later. */
async function listening(server: Server, path: string, backlog: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path, backlog }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/**
 * Moves the socket into place. A link would not do: Sendmail calls a socket with two links unsafe, even for
 * milliseconds (libsm/safefile.c, SFF_NOHLINK), and defers mail. The lock ensures that only one of two servers gets the
 * path if they start at the same time.
 */
async function place(draft: string, path: string): Promise<void> {
  await withLock(path, async () => {
    await refuseTaken(path)
    // This also replaces a stale socket.
    await rename(draft, path)
  })
}

/** Only a socket on which no process answers may be replaced. */
async function refuseTaken(path: string): Promise<void> {
  let found: Stats
  try {
    found = await lstat(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  if (!found.isSocket()) {
    throw new ListenError(
      'NOT_A_SOCKET',
      `cannot listen on ${path}: it exists and is not a socket; choose another path or remove it`,
    )
  }
  if (await somebodyAnswers(path)) {
    throw new ListenError(
      'ADDRESS_IN_USE',
      `cannot listen on ${path}: another process answers there; stop it first or choose another path`,
    )
  }
}

/**
 * Several servers can find the path free, or find the same stale socket. Only one may take it. Otherwise one server
 * could replace the socket that another has just placed. Only the holder of the lock places a socket.
 */
async function withLock(path: string, work: () => Promise<void>): Promise<void> {
  const lock = join(dirname(path), `.${basename(path)}.lock`)
  for (let attempt = 0; ; attempt++) {
    try {
      await mkdir(lock, 0o700)
      break
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || attempt > (2 * LOCK_EXPIRES) / 10) throw error
    }
    // The work takes milliseconds, so an old lock is of a process that died while it held it.
    const made = await lstat(lock).catch(() => undefined)
    if (made !== undefined && Date.now() - made.mtimeMs > LOCK_EXPIRES) {
      await rmdir(lock).catch(() => {})
    } else await setTimeout(10)
  }
  try {
    await work()
  } finally {
    await rmdir(lock)
  }
}

const LOCK_EXPIRES = 5_000

async function somebodyAnswers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (error) => {
      const code = codeOf(error)
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false)
      // With a full backlog, a process is listening.
      else if (code === 'EAGAIN') resolve(true)
      else reject(error)
    })
  })
}

async function ownership(
  path: string,
  { owner, group }: SocketPermissions,
): Promise<{ uid: number; gid: number } | undefined> {
  if (owner === undefined && group === undefined) return undefined
  // -1 leaves one of the two as it is.
  const uid = owner === undefined ? -1 : await idOf(path, 'user', owner)
  const gid = group === undefined ? -1 : await idOf(path, 'group', group)
  return { uid, gid }
}

const DATABASES = { user: 'passwd', group: 'group' } as const

/** Looks up a name with getent(1), which includes LDAP and the like. Node cannot. */
async function idOf(
  path: string,
  kind: 'user' | 'group',
  name: string | number,
): Promise<number> {
  if (typeof name === 'number') return name
  if (/^\d+$/.test(name)) return Number(name)
  const line = await programOutput(['getent', '--', DATABASES[kind], name])
  if (line instanceof Error) throw unknownName(path, kind, name, line)
  const id = Number(line.split(':')[2])
  if (!Number.isInteger(id)) throw unknownName(path, kind, name)
  return id
}

function unknownName(
  path: string,
  kind: 'user' | 'group',
  name: string,
  cause?: unknown,
): ListenError {
  return new ListenError(
    'LISTEN_FAILED',
    `cannot listen on ${path}: there is no ${kind} ${JSON.stringify(name)} here`,
    { cause },
  )
}

async function discard(directory: string): Promise<void> {
  await rm(join(directory, draftName(directory)), { force: true })
  await rmdir(directory)
}

/** An error of the operating system, with advice. */
export function listenError(where: string, error: unknown): ListenError {
  if (error instanceof ListenError) return error
  const code = codeOf(error)
  const advice = ADVICE[code] ?? String(error instanceof Error ? error.message : error)
  return new ListenError(
    code === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'LISTEN_FAILED',
    `cannot listen on ${where}: ${advice}`,
    { cause: error },
  )
}

const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there; stop it first or choose another port',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EACCES:
    'permission denied; ports below 1024 need root, and the directory of a path must be writable',
  EPERM: 'not permitted; only root can give a socket to another user',
  ENOENT: 'its directory does not exist',
  ENOTDIR: 'a part of the path is not a directory',
  ENOTFOUND: 'the host name cannot be resolved',
  EROFS: 'the file system is read-only',
  EBADF: 'the descriptor is not open',
  ENOTSOCK: 'the descriptor is not a socket',
  EINVAL: 'the descriptor is not a listening socket',
}
