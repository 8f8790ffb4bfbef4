/**
 * Which process keeps a store: the one that listens on the newest socket of the directory, `keeper.N`.
 *
 * A socket whose process is gone refuses connections, at once and for ever: nobody listens on a name that was there
 * before. Such a keeper is followed by whoever links the next number to a socket that already listens. Only one can,
 * because `link` fails for a name that is there (link(2), EEXIST). So there are no stale locks, and no times to wait for.
 * When a connection is refused, the kernel has closed the files of the keeper, so it writes nothing any more.
 */
import { chmod, link, readdir, unlink } from 'node:fs/promises'
import { connect, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { codeOf } from '../../net/system-error.ts'

const KEEPER = /^keeper\.(\d+)$/
const STARTING = /^starting\.\d+$/

/** Bytes of a directory: the address of a socket has 104 on BSD, 108 on Linux (unix(7)). */
export const MAX_PATH = 85

/**
 * Connects with the keeper.
 *
 * @returns undefined if there is none
 * @throws the error of the system if it cannot be known
 */
export async function connectKeeper(path: string): Promise<Socket | undefined> {
  const last = await newest(path)
  return last === 0 ? undefined : connectTo(join(path, `keeper.${last}`))
}

/** Lets a server listen as the keeper of a store. @returns whether it does: not if there is another keeper */
export async function becomeKeeper(path: string, server: Server): Promise<boolean> {
  const other = await connectKeeper(path)
  if (other !== undefined) {
    other.destroy()
    return false
  }
  const own = join(path, `starting.${process.pid}`)
  await unlinkIfThere(own)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(own, () => {
      server.off('error', reject)
      resolve()
    })
  })
  await chmod(own, 0o600)
  for (;;) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- a loop of tries
    const mine = await tryNext(path, own)
    if (mine !== undefined) return mine
  }
}

/** @returns undefined if another process was faster, so that one has to look again */
async function tryNext(path: string, own: string): Promise<boolean | undefined> {
  const last = await newest(path)
  const other = last > 0 ? await connectTo(join(path, `keeper.${last}`)) : undefined
  if (other !== undefined) {
    other.destroy()
    await unlinkIfThere(own)
    return false
  }
  const next = join(path, `keeper.${last + 1}`)
  try {
    await link(own, next)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined
    // The new keeper has removed it.
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
  // A later keeper may have removed the sockets before its own.
  if ((await newest(path)) !== last + 1) {
    await unlinkIfThere(next)
    return undefined
  }
  await removeOthers(path, last + 1)
  return true
}

/** Removes what earlier keepers have left behind. The own socket stays for ever, so that numbers only grow. */
async function removeOthers(path: string, mine: number): Promise<void> {
  const names = await readdir(path)
  const old = names.filter((name) => STARTING.test(name) || numberIn(name) < mine)
  await Promise.all(old.map((name) => unlinkIfThere(join(path, name))))
}

async function newest(path: string): Promise<number> {
  const names = await readdir(path)
  return Math.max(0, ...names.map(numberIn).filter(Number.isFinite))
}

const numberIn = (name: string): number => Number(KEEPER.exec(name)?.[1] ?? Number.NaN)

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

/** @returns undefined if nobody listens */
function connectTo(socketPath: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath, allowHalfOpen: true })
    socket.once('error', (error) => {
      const gone = ['ECONNREFUSED', 'ENOENT'].includes(codeOf(error))
      if (gone) resolve(undefined)
      else reject(error)
    })
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      // Whatever becomes of it, it is closed then.
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}
