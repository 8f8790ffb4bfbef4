import type { Socket } from 'node:net'
import { MtaClient } from '../../src/mta/client.ts'
import { atEnd } from './resources.ts'

/** The mail server's side, on a socket that is open or opening. */
export async function mtaOver(socket: Socket): Promise<MtaClient> {
  const client = await MtaClient.over(async (listener) => {
    socket.on('data', (chunk: Buffer) => listener.received(chunk))
    socket.on('close', () => listener.closed())
    return {
      write: (bytes) => void socket.write(bytes),
      end: () => void socket.end(),
      destroy: () => void socket.destroy(),
    }
  })
  atEnd(() => client.destroy())
  return client
}
