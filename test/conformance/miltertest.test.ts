import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { serve } from '../../src/index.ts'
import noLottery from '../../examples/no-lottery-events.ts'
import { atEnd, killAtEnd } from '../support/resources.ts'
import { available, sourcePath } from './support/program.ts'

describe('miltertest', () => {
  if (!available('miltertest', ['-V'], 'miltertest')) return
  it('drives an example', async () => {
    const server = await serve(noLottery, { listen: 'inet:0@127.0.0.1' })
    atEnd(() => server.close({ deadline: 0 }))
    const script = sourcePath('test', 'conformance', 'fixtures', 'no-lottery.lua')
    const child = killAtEnd(
      spawn('miltertest', ['-D', `socket=${server.addresses[0]}`, '-s', script]),
    )
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text: Buffer) => (said += text.toString()))
    }
    const [code] = (await once(child, 'close')) as [number]
    assert.deepEqual([code, said.trim()], [0, 'all right'])
  })
})
