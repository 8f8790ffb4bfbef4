import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { MtaClient } from '../../src/mta/client.ts'
import { atEnd } from '../support/resources.ts'

/** A filter that is only a socket. */
async function rawFilter(): Promise<{ address: string; connection: Promise<Socket> }> {
  const server = createServer()
  atEnd(() => server.close())
  server.listen(0, '127.0.0.1')
  const connection = once(server, 'connection').then(([socket]: Socket[]) => {
    atEnd(() => socket!.destroy())
    return socket!
  })
  await once(server, 'listening')
  return { address: `inet:${(server.address() as AddressInfo).port}@127.0.0.1`, connection }
}

describe('a client whose filter goes away', () => {
  for (const [how, leave] of [
    ['closes', (socket: Socket) => void socket.end()],
    ['resets the connection', (socket: Socket) => void socket.resetAndDestroy()],
  ] as const) {
    it(`says so when it ${how}`, async () => {
      const filter = await rawFilter()
      const client = await MtaClient.connect(filter.address)
      atEnd(() => client.destroy())
      const reply = client.negotiate()
      leave(await filter.connection)
      await assert.rejects(reply, { name: 'MilterError', code: 'DISCONNECTED' })
      await assert.rejects(client.reply(), { code: 'DISCONNECTED' }, 'and goes on saying so')
    })
  }
})
