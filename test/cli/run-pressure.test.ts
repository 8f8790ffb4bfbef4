import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { MtaClient } from '../../src/mta/client.ts'
import { atEnd } from '../support/resources.ts'
import { connect, eom, mail } from '../support/wire.ts'
import { project, start } from './support/command.ts'

describe('tsmilter run', { timeout: 60_000 }, () => {
  it('has its workers close connections without a message for others', async () => {
    const directory = project({
      'filter.mjs': 'export default () => ({ connect() {}, envfrom() {}, eom() {} })',
    })
    const args = ['filter.mjs', '--listen', 'inet:0@127.0.0.1', '--workers', '2']
    await using running = await start([...args, '--max-connections', '2'], directory)
    const dial = async (): Promise<MtaClient> => {
      const mta = await MtaClient.connect(running.address)
      atEnd(() => mta.destroy())
      await mta.negotiate()
      return mta
    }
    const idle = [await dial(), await dial(), await dial(), await dial()]
    const working: MtaClient[] = []
    while (working.length < 2) {
      const mta = await dial()
      const answer = await mta.command(connect())
      if (answer?.type === 'continue' && (await mta.command(mail()))?.type === 'continue') {
        working.push(mta)
      } else {
        await mta.quit()
        await setTimeout(200)
      }
    }
    for (const mta of working) assert.deepEqual(await mta.command(eom()), { type: 'continue' })
    await running.says(/one without a message is closed for another/)
    assert.equal(idle.length, 4)
  })
})
