import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { Readable } from 'node:stream'
import { fc } from '../../support/property.ts'
import { silentLogger } from '../../../src/diagnostics/log.ts'
import { openMemoryStore } from '../../../src/store/index.ts'
import { Greylist, POSTGREY_TIMING, type GreylistOptions } from '../../../src/toolkit/index.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const START = Date.UTC(2026, 10, 30)

/** A greylist, asked at times from its start. */
function greylistAt(options: Partial<GreylistOptions> = {}) {
  let now = START
  const clock = (): number => now
  const store = openMemoryStore({ clock })
  const greylist = new Greylist({
    store,
    onFailure: 'closed',
    logger: silentLogger(),
    clock,
    ...options,
  })
  const check = async (
    at: number,
    ip = '1.2.3.4',
    sender = 'foo@bar.com',
    recipient = 'baz@spat.com',
  ) => {
    now = START + at
    return greylist.check({ ip, sender, recipient })
  }
  const count = async (at: number, ip?: string): Promise<number> => (await check(at, ip)).count
  return { greylist, store, check, count, to: (at: number) => void (now = START + at) }
}

const textOf = async (lines: AsyncIterable<Buffer>): Promise<string> => {
  let text = ''
  for await (const line of lines) text += line.toString('latin1')
  return text
}

describe('Greylist', () => {
  describe('has the times of pymilter', () => {
    const A = '1.2.3.4'
    const OTHER = '1.2.3.5'
    const tables: Record<string, [at: number, ip: string, result: number][]> = {
      'in its own sequence': [
        [0, A, 0],
        [5 * MINUTE, A, 0],
        [15 * MINUTE, A, 1],
        [15 * MINUTE, OTHER, 0],
        [5 * HOUR, A, 2],
        [6 * HOUR, OTHER, 0],
        [37 * DAY, A, 0],
      ],
      'at 604 s': [
        [0, A, 0],
        [604 * SECOND, A, 0],
      ],
      'at 605 s': [
        [0, A, 0],
        [605 * SECOND, A, 1],
      ],
      'after an early try': [
        [0, A, 0],
        [300 * SECOND, A, 0],
        [605 * SECOND, A, 1],
      ],
      'one second before the end of the window': [
        [0, A, 0],
        [4 * HOUR - SECOND, A, 1],
      ],
      'at the end of the window, where it starts anew': [
        [0, A, 0],
        [4 * HOUR, A, 0],
        [4 * HOUR + 604 * SECOND, A, 0],
        [4 * HOUR + 605 * SECOND, A, 1],
      ],
      'after it has passed once': [
        [0, A, 0],
        [605 * SECOND, A, 1],
        [10 * HOUR, A, 2],
        [10 * HOUR + 35 * DAY, A, 3],
      ],
      'at the end of the retention': [
        [0, A, 0],
        [605 * SECOND, A, 1],
        [605 * SECOND + 36 * DAY, A, 2],
      ],
      'one second later': [
        [0, A, 0],
        [605 * SECOND, A, 1],
        [605 * SECOND + 36 * DAY + SECOND, A, 0],
      ],
      'for an early try alone': [
        [0, A, 0],
        [500 * SECOND, A, 0],
        [4 * HOUR, A, 0],
      ],
    }
    for (const [title, rows] of Object.entries(tables)) {
      it(title, async () => {
        const { count } = greylistAt()
        for (const [at, ip, result] of rows)
          assert.equal(await count(at, ip), result, `at ${at}`)
      })
    }

    it('and forgets what it does not need any more', async () => {
      const { greylist, count, to } = greylistAt()
      // Seen last at 6 h without passing, at 20 d after passing, and at 37 d.
      await count(6 * HOUR, '1.1.1.1')
      await count(20 * DAY - 605 * SECOND, '2.2.2.2')
      assert.equal(await count(20 * DAY, '2.2.2.2'), 1)
      await count(37 * DAY, '3.3.3.3')
      to(37 * DAY)
      const lines = (await textOf(greylist.exportCsv())).trimEnd().split('\r\n')
      assert.deepEqual(lines.map((line) => line.split(',')[0]).sort(), ['2.2.2.2', '3.3.3.3'])
    })

    it('and those of its application, if you say so', async () => {
      const { count } = greylistAt({ delay: '5m', window: '6h' })
      assert.deepEqual(
        [
          await count(0),
          await count(304 * SECOND),
          await count(305 * SECOND),
          await count(0, OTHER),
          await count(6 * HOUR - SECOND, OTHER),
        ],
        [0, 0, 1, 0, 1],
      )
    })
  })

  it('has the times of postgrey', async () => {
    const { count } = greylistAt(POSTGREY_TIMING)
    assert.deepEqual(
      [await count(0), await count(5 * MINUTE - 1), await count(5 * MINUTE)],
      [0, 0, 1],
    )
    assert.equal(await count(5 * MINUTE + 35 * DAY), 2)
    assert.equal(await count(0, '1.1.1.1'), 0)
    assert.equal(await count(2 * DAY - 1, '1.1.1.1'), 1)
  })

  it('says how long to wait, and how long it took', async () => {
    const { check } = greylistAt()
    assert.deepEqual(await check(0), { passed: false, count: 0, wait: 605_000, delayed: 0 })
    assert.deepEqual(await check(1_000), { passed: false, count: 0, wait: 604_000, delayed: 0 })
    assert.deepEqual(await check(700_000), {
      passed: true,
      count: 1,
      wait: 0,
      delayed: 700_000,
    })
  })

  it('tells triples apart', async () => {
    const { check } = greylistAt()
    await check(0)
    const later = 605 * SECOND
    for (const triple of [
      ['1.2.3.5', 'foo@bar.com', 'baz@spat.com'],
      ['1.2.3.4', '', 'baz@spat.com'],
      ['1.2.3.4', 'foo@bar.com', 'other@spat.com'],
      ['1.2.3.4', 'foo@bar.com:baz@spat.com', ''],
      ['1.2.3.4', '\udcff@bar.com', 'baz@spat.com'],
      ['1.2.3.4', 'f'.repeat(60_000), 'b'.repeat(60_000)],
    ]) {
      assert.equal((await check(later, ...(triple as [string]))).passed, false)
    }
    assert.equal((await check(later)).passed, true)
    // Two notations of one address are one.
    await check(later, '2001:db8::1')
    assert.equal((await check(2 * later, '2001:DB8:0:0::1')).passed, true)
    assert.equal((await check(2 * later, '::ffff:1.2.3.4')).passed, true)
  })

  const networks: [bits: GreylistOptions['network'], a: string, b: string, same: boolean][] = [
    [true, '192.0.2.1', '192.0.2.200', true],
    [true, '192.0.2.1', '192.0.3.1', false],
    [true, '192.0.2.1', '::ffff:192.0.2.9', true],
    [true, '2001:db8:1:2::1', '2001:db8:1:2:ffff::', true],
    [true, '2001:db8:1:2::1', '2001:db8:1:3::1', false],
    // pymilter's comparison took only 32 bits of an address.
    [true, '2001:db8::102:304', '1.2.3.4', false],
    [{ ipv4: 19, ipv6: 56 }, '10.0.31.255', '10.0.0.1', true],
    [{ ipv4: 19, ipv6: 56 }, '10.0.32.0', '10.0.31.255', false],
    [{ ipv4: 19, ipv6: 56 }, '2001:db8:0:ff::', '2001:db8::', true],
    [{ ipv4: 19, ipv6: 56 }, '2001:db8:0:100::', '2001:db8::', false],
    [true, 'spf:example.org', 'spf:example.org', true],
    [false, '192.0.2.1', '192.0.2.2', false],
  ]
  for (const [network, a, b, same] of networks) {
    it(`takes ${a} and ${b} ${same ? 'together' : 'apart'} (${JSON.stringify(network)})`, async () => {
      const { check } = greylistAt({ network })
      await check(0, a)
      assert.equal((await check(605 * SECOND, b)).passed, same)
    })
  }

  it('counts each of many deliveries at once', async () => {
    const { check } = greylistAt()
    await check(0)
    const results = await Promise.all(Array.from({ length: 50 }, () => check(605 * SECOND)))
    assert.deepEqual(
      results.map(({ count }) => count).sort((a, b) => a - b),
      Array.from({ length: 50 }, (_, i) => i + 1),
    )
  })

  it('lets none of many deliveries at once through, and takes them for no failure of the store', async () => {
    const lines: unknown[] = []
    const logger = { ...silentLogger(), warn: (...line: unknown[]) => void lines.push(line) }
    const store = openMemoryStore()
    const greylist = new Greylist({ store, onFailure: 'open', logger })
    const triple = { ip: '1.2.3.4', sender: '', recipient: 'a@example.org' }
    const results = await Promise.all(Array.from({ length: 500 }, () => greylist.check(triple)))
    assert.equal(results.filter(({ passed }) => passed).length, 0)
    assert.equal((await greylist.check({ ...triple, ip: '1.2.3.5' })).passed, false)
    assert.deepEqual(lines, [])
  })

  it('can be exported whatever the sender is', async () => {
    const { greylist, check } = greylistAt()
    const senders = [998, 999, 1_000].map((length) => `${'a'.repeat(length)}\u{1f600}@b.c`)
    senders.push('\udcff\udcfe', '"a,\r\nb"@c', '\u2028', '\0', '')
    for (const sender of senders) await check(0, '1.2.3.4', sender)
    const lines = (await textOf(greylist.exportCsv())).split('\r\n1.2.3.4,')
    assert.equal(lines.length, senders.length)
  })

  it('passes many deliveries at once, too', async () => {
    const { check } = greylistAt()
    await check(0)
    const results = await Promise.all(Array.from({ length: 300 }, () => check(605 * SECOND)))
    assert.ok(results.every(({ passed, count }) => passed && count > 0))
  })

  it('defers no longer than usual what came while the clock was ahead', async () => {
    let now = Date.UTC(2099, 0, 1)
    const store = openMemoryStore()
    const greylist = new Greylist({ store, onFailure: 'closed', clock: () => now })
    const triple = { ip: '1.2.3.4', sender: '', recipient: 'a@example.org' }
    await greylist.check(triple)
    now = Date.UTC(2026, 10, 30)
    assert.equal((await greylist.check(triple)).wait, 605 * SECOND)
    now += 605 * SECOND
    assert.equal((await greylist.check(triple)).passed, true)
  })

  it('goes by its policy if the store fails', async () => {
    const store = openMemoryStore()
    await store.close()
    const logger = silentLogger()
    const triple = { ip: '1.2.3.4', sender: '', recipient: 'a@example.org' }
    const open = new Greylist({ store, onFailure: 'open', logger })
    assert.deepEqual(await open.check(triple), { passed: true, count: 0, wait: 0, delayed: 0 })
    const closed = new Greylist({ store, onFailure: 'closed', logger })
    await assert.rejects(closed.check(triple), { code: 'STORE_CLOSED' })
    const local = new Greylist({ store, onFailure: 'local', logger, delay: 0, margin: 0 })
    assert.equal((await local.check(triple)).passed, false)
    assert.equal((await local.check(triple)).passed, true)
  })

  for (const [title, options] of Object.entries({
    'a window shorter than the delay': { window: '10m' },
    'a delay below 0': { delay: -1 },
    'a time without unit': { retention: '36x' },
    'a network of IPv4 in an IPv6 address': { network: { ipv4: 33, ipv6: 64 } },
    'an unknown option': { windw: '4h' },
  })) {
    it(`refuses ${title}`, () => {
      assert.throws(() => greylistAt(options as never), { code: 'INVALID_OPTION' })
    })
  }
})

describe('the CSV of a greylist', () => {
  const first = START / 1_000

  it('is what pymilter has', async () => {
    const { greylist, check } = greylistAt()
    await check(0)
    await check(605_250)
    assert.equal(
      await textOf(greylist.exportCsv()),
      `1.2.3.4,foo@bar.com,baz@spat.com,${first},${first + 605.25},1,\r\n`,
    )
  })

  it('comes back as it went', async () => {
    const address = fc.oneof(
      fc.constantFrom('', 'a@b', '"a,b"@c', '\udcff@x', 'é@x', '"', ' x '),
      fc.string({ maxLength: 30 }).filter((text) => !/[\r\n\ud800-\udfff]/.test(text)),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(address, address), { maxLength: 10, selector: String }),
        fc.integer({ min: 1, max: 50 }),
        async (pairs, size) => {
          const from = greylistAt()
          for (const pair of pairs) await from.check(0, '1.2.3.4', ...pair)
          const text = await textOf(from.greylist.exportCsv())
          const bytes = Buffer.from(text, 'latin1')
          const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
            bytes.subarray(i * size, (i + 1) * size),
          )
          const into = greylistAt()
          const result = await into.greylist.importCsv(Readable.from(pieces))
          const imported = new Set(pairs.map((pair) => pair.join('\0'))).size
          assert.deepEqual(result, {
            imported,
            known: 0,
            expired: 0,
            malformed: 0,
            problems: [],
          })
          const again = await textOf(into.greylist.exportCsv())
          assert.deepEqual(again.split('\r\n').sort(), text.split('\r\n').sort())
        },
      ),
      { numRuns: 100 },
    )
  })

  it('is taken over, and malformed lines are named', async () => {
    const { greylist, check } = greylistAt()
    await check(0, '9.9.9.9')
    const times = `${first - 7_200},${first - 3_600}`
    const lines = [
      'ip,sender,recipient,firstseen,lastseen,cnt,umis',
      `1.2.3.4,foo@bar.com,baz@spat.com,${times},3,`,
      `9.9.9.9,foo@bar.com,baz@spat.com,${times},3,`,
      `5.6.7.8,foo@bar.com,baz@spat.com,${times}.5,0,None`,
      '',
      `5.6.7.9,old@bar.com,baz@spat.com,1000000000,1000000500.25,7`,
      '1.2.3.4,only,three',
      `1.2.3.4,a@b,c@d,never,${first},1,`,
      `1.2.3.4,a@b,c@d,${first},-5,1,`,
      `1.2.3.4,a@b,c@d,${first},${first},many,`,
      `1.2.3.4,a@b,c@d,${first},${first - 1},1,`,
      `,a@b,c@d,${first},${first},1,`,
      `1.2.3.4,"open,c@d,${first},${first},1,`,
      `1.2.3.4,${'x'.repeat(100_000)},c@d,${first},${first},1,`,
      `1.2.3.4,"a ""quoted"" one"@b,c@d,${times},1,`,
      `1.2.3.4,future@b,c@d,${first},253402300799,1,`,
      `1.2.3.4,last@b,c@d,${first},${first},1,`,
    ]
    const result = await greylist.importCsv(Readable.from([lines.join('\n')]))
    assert.deepEqual(result, {
      imported: 4,
      known: 1,
      expired: 1,
      malformed: 9,
      problems: [
        { line: 7, reason: 'it has 3 columns, not 7' },
        { line: 8, reason: 'column 4 (first seen) is not a time in seconds' },
        { line: 9, reason: 'column 5 (last seen) is not a time in seconds' },
        { line: 10, reason: 'column 6 (count) is not a number' },
        { line: 11, reason: 'last seen is before first seen' },
        { line: 12, reason: 'column 1 (ip) is empty' },
        { line: 13, reason: 'a quote has no end' },
        { line: 14, reason: 'it is longer than 8192 bytes' },
        { line: 16, reason: 'column 5 (last seen) is in the future' },
      ],
    })
    assert.equal((await check(1_000, '1.2.3.4')).count, 4)
    assert.equal((await check(1_000, '5.6.7.8')).count, 1)
    assert.equal((await check(1_000, '9.9.9.9')).count, 0)
    assert.equal((await check(1_000, '1.2.3.4', 'a "quoted" one@b', 'c@d')).count, 2)
    // A second import changes nothing.
    assert.equal((await greylist.importCsv(Readable.from([lines.join('\r\n')]))).imported, 0)
  })

  it('has at most a hundred problems in the result', async () => {
    const { greylist } = greylistAt()
    const { malformed, problems } = await greylist.importCsv(
      Readable.from(['x\n'.repeat(1_000)]),
    )
    assert.deepEqual([malformed, problems.length], [1_000, 100])
  })

  const python = spawnSync('python3', ['-c', 'import csv']).status === 0
  it('is read and written by the csv module of Python', { skip: !python }, async () => {
    const { greylist, check } = greylistAt()
    await check(0, '1.2.3.4', '"a,b"@c', 'd')
    const script = [
      'import csv, sys',
      'rows = list(csv.reader(sys.stdin))',
      'assert rows[0][1] == \'"a,b"@c\', rows',
      'rows.append(["5.6.7.8", "x,y@z", None, float(rows[0][3]), float(rows[0][4]) + 1, 2, None])',
      'csv.writer(sys.stdout).writerows(rows)',
    ].join('\n')
    const { stdout, stderr } = spawnSync('python3', ['-c', script], {
      input: await textOf(greylist.exportCsv()),
      encoding: 'latin1',
    })
    assert.equal(stderr, '')
    const into = greylistAt()
    const { imported } = await into.greylist.importCsv(Readable.from([stdout]))
    assert.equal(imported, 2)
    assert.equal((await into.check(605_000, '5.6.7.8', 'x,y@z', '')).count, 3)
  })
})
