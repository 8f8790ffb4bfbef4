import { appendFileSync, chmodSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

/**
 * A /dev/log whose messages go to a file. Node has no datagram sockets of the unix family, but
 * syslog() of glibc takes a stream socket as well (misc/syslog.c: on EPROTOTYPE it tries
 * SOCK_STREAM) and then ends each message with NUL.
 */
export async function openLogSocket(path: string, file: string): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let rest = ''
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      const messages = (rest + text).split('\0')
      rest = messages.pop() ?? ''
      // "<22>Nov 24 05:01:02 sendmail[123]: ...": the number in front is facility and level.
      const lines = messages.map((message) => `${message.replace(/^<\d+>/, '').trimEnd()}\n`)
      appendFileSync(file, lines.join(''), 'latin1')
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    socket.unref()
  })
  server.listen(path)
  await once(server, 'listening')
  server.unref()
  // Sendmail logs under several users.
  chmodSync(path, 0o666)
  return async () => {
    for (const socket of sockets) socket.destroy()
    const closed = once(server, 'close')
    server.close()
    await closed
  }
}
