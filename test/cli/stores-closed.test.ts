import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { main } from '../../src/cli/main.ts'
import { files } from '../filters/support.ts'

const file = files()

it('check-config closes the stores of its filters, so that it ends', async () => {
  let opened = 0
  // It never says a word.
  const server = createServer((socket) => {
    opened++
    socket.on('error', () => {}).resume()
  })
  server.unref()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const config = file(
    'tsmilter.yaml',
    `listen: inet:8890@127.0.0.1
filters:
  - greylist:
      store: { redis: 'redis://127.0.0.1:${port}', deadline: 100ms }
`,
  )
  const said: string[] = []
  const output = {
    out: (text: string) => said.push(text),
    err: (text: string) => said.push(text),
  }
  await main(['check-config', config], output as never)
  assert.match(said.join(''), /store/)
  assert.ok(opened > 0)
  const connections = promisify(server.getConnections.bind(server))
  for (let i = 0; i < 200 && (await connections()) > 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.equal(await connections(), 0)
  server.close()
})
