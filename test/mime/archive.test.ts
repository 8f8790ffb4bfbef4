import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import { fc } from '../support/property.ts'
import { zipEntries, type ZipListing } from '../../src/mime/attachments/archive.ts'
import { zip } from '../support/zip.ts'
import { assertGrowth } from '../support/growth.ts'

const namesOf = ({ entries }: ZipListing): string[] =>
  entries.map(({ path, name }) => [...path, name].join(' > '))
const codesOf = ({ problems }: ZipListing): string[] => problems.map(({ code }) => code)

/** The listing of what can be read in full. */
async function sound(bytes: Buffer): Promise<ZipListing> {
  const listing = await zipEntries(bytes)
  assert.deepEqual(listing.problems, [])
  return listing
}

describe('the entries of a zip', () => {
  it('are its names and sizes', async () => {
    const { entries } = await sound(
      zip([
        { name: 'a.txt', content: 'hello' },
        { name: 'dir/' },
        { name: 'dir/b.txt', content: 'b'.repeat(1_000), deflate: true },
      ]),
    )
    assert.deepEqual(
      entries.map(({ name, size, encrypted, directory, hidden, path }) => ({
        name,
        size,
        encrypted,
        directory,
        hidden,
        path,
      })),
      [
        { name: 'a.txt', size: 5, encrypted: false, directory: false, hidden: false, path: [] },
        { name: 'dir/', size: 0, encrypted: false, directory: true, hidden: false, path: [] },
        {
          name: 'dir/b.txt',
          size: 1_000,
          encrypted: false,
          directory: false,
          hidden: false,
          path: [],
        },
      ],
    )
    assert.equal(entries[0]!.compressedSize, 5)
    assert.ok(entries[2]!.compressedSize < 100)
  })

  it('are empty for an empty zip, and for no bytes', async () => {
    assert.deepEqual((await sound(zip([]))).entries, [])
    assert.deepEqual((await sound(Buffer.alloc(0))).entries, [])
    assert.deepEqual((await sound(zip([], { comment: 'nothing' }))).entries, [])
  })

  it('have names in the charset of their flag, and in the other one', async () => {
    const { entries } = await sound(
      zip([
        { name: Buffer.from([0x81, 0x2e, 0x65, 0x78, 0x65]) },
        { name: 'ü.exe', utf8: true },
        { name: 'é.exe' },
      ]),
    )
    assert.equal(entries[0]!.name, 'ü.exe')
    assert.equal(entries[1]!.name, 'ü.exe')
    assert.deepEqual(entries[2]!.names, ['├⌐.exe', 'é.exe'])
    assert.deepEqual(entries[2]!.rawName, Buffer.from('é.exe'))
  })

  it('have the name of the Unicode field', async () => {
    const { crc32 } = await import('node:zlib')
    const data = Buffer.alloc(5)
    data[0] = 1
    data.writeUInt32LE(crc32(Buffer.from('x.txt')), 1)
    const name = Buffer.from('x.exe')
    const head = Buffer.alloc(4)
    head.writeUInt16LE(0x7075, 0)
    head.writeUInt16LE(data.length + name.length, 2)
    const extra = Buffer.concat([head, data, name])
    const { entries } = await sound(zip([{ name: 'x.txt', extra }]))
    assert.deepEqual(entries[0]!.names, ['x.exe', 'x.txt'])
  })

  it('have the name of the local header too', async () => {
    const { entries } = await sound(zip([{ name: 'x.txt', localName: 'x.exe' }]))
    assert.deepEqual(entries[0]!.names, ['x.txt', 'x.exe'])
  })

  it('are listed if only a local header has them', async () => {
    const listing = await sound(
      zip([
        { name: 'a.txt', content: 'aaaa' },
        { name: 'b.exe', content: 'bbbb', hidden: true },
        { name: 'c.txt', content: 'cccc' },
      ]),
    )
    assert.deepEqual(namesOf(listing), ['a.txt', 'c.txt', 'b.exe'])
    assert.deepEqual(
      listing.entries.map(({ hidden }) => hidden),
      [false, false, true],
    )
  })

  it('are listed for encrypted ones', async () => {
    const { entries } = await sound(
      zip([{ name: 'a.exe', content: 'x'.repeat(20), encrypted: true }]),
    )
    assert.equal(entries[0]!.encrypted, true)
  })

  it('are listed for zip64', async () => {
    const listing = await sound(zip([{ name: 'a.exe', content: 'abc' }], { zip64: true }))
    assert.deepEqual(namesOf(listing), ['a.exe'])
    assert.equal(listing.entries[0]!.size, 3)
  })

  for (const adjusted of [false, true]) {
    it(`are found behind other data, offsets ${adjusted ? 'adjusted' : 'as they were'}`, async () => {
      const inner = zip([{ name: 'in.exe' }])
      const before = Buffer.concat([Buffer.from('MZ'), Buffer.alloc(5_000)])
      const files = [
        { name: 'a.txt', content: 'x' },
        { name: 'b', content: inner, deflate: true },
      ]
      const listing = await sound(zip(files, { before, adjusted }))
      assert.deepEqual(namesOf(listing), ['a.txt', 'b', 'b > in.exe'])
    })
  }

  it('are found in front of other data', async () => {
    const bytes = Buffer.concat([zip([{ name: 'a.exe' }]), Buffer.alloc(1_000, 'x')])
    assert.deepEqual(namesOf(await sound(bytes)), ['a.exe'])
  })

  it('are found under a comment that looks like an end', async () => {
    const comment = zip([]).toString('latin1')
    const listing = await zipEntries(zip([{ name: 'a.exe' }], { comment: `${comment}xx` }))
    assert.deepEqual(namesOf(listing), ['a.exe'])
  })
})

describe('zips in a zip', () => {
  const inner = zip([{ name: 'x.exe', content: 'MZ' }])

  for (const deflate of [false, true]) {
    for (const name of ['b.zip', 'photo.jpg', 'noname']) {
      it(`are listed: ${name}, ${deflate ? 'packed' : 'stored'}`, async () => {
        const listing = await sound(zip([{ name, content: inner, deflate }]))
        assert.deepEqual(namesOf(listing), [name, `${name} > x.exe`])
        assert.deepEqual(listing.entries[1]!.path, [name])
      })
    }
  }

  it('are listed in each other', async () => {
    const middle = zip([{ name: 'c.zip', content: inner, deflate: true }])
    const listing = await sound(zip([{ name: 'b.zip', content: middle, deflate: true }]))
    assert.deepEqual(namesOf(listing), ['b.zip', 'b.zip > c.zip', 'b.zip > c.zip > x.exe'])
  })

  it('are not looked for in other content', async () => {
    await sound(zip([{ name: 'a.txt', content: 'a'.repeat(10_000_000), deflate: true }]))
  })

  it('may be empty', async () => {
    await sound(zip([{ name: 'b.zip', content: zip([]) }, { name: 'c.zip' }]))
  })

  it('may be damaged, encrypted or packed in an unknown way', async () => {
    const listing = await zipEntries(
      zip([
        { name: 'a.zip', content: 'this is no zip' },
        { name: 'b.zip', content: inner, encrypted: true },
        { name: 'c.zip', content: inner, method: 14 },
        { name: 'd.zip', content: inner.subarray(0, -30) },
        { name: 'e.zip', content: inner, method: 8 },
        { name: 'f.zip', content: inner },
      ]),
    )
    assert.deepEqual(
      listing.problems.map(({ code, path }) => `${path.join(' > ')}: ${code}`),
      [
        'a.zip: NOT_A_ZIP',
        'b.zip: ZIP_ENCRYPTED',
        'c.zip: ZIP_UNSUPPORTED',
        'd.zip: ZIP_CORRUPT',
        'e.zip: ZIP_CORRUPT',
      ],
    )
    assert.ok(namesOf(listing).includes('d.zip > x.exe'))
    assert.ok(namesOf(listing).includes('f.zip > x.exe'))
  })
})

describe('what is no zip, or not whole', () => {
  const cases: [what: string, bytes: Buffer, code: string, names?: string[]][] = [
    ['text', Buffer.from('hello'), 'NOT_A_ZIP'],
    ['one byte', Buffer.from('P'), 'NOT_A_ZIP'],
    ['an end only, cut off', zip([]).subarray(0, 10), 'ZIP_CORRUPT'],
    [
      'no central directory',
      zip([{ name: 'a.exe', content: 'x' }]).subarray(0, 40),
      'ZIP_CORRUPT',
      ['a.exe'],
    ],
    [
      'fewer entries than it says',
      zip([{ name: 'a.exe' }], { count: 3 }),
      'ZIP_CORRUPT',
      ['a.exe'],
    ],
  ]
  for (const [what, bytes, code, names = []] of cases) {
    it(`${what}: ${code}`, async () => {
      const listing = await zipEntries(bytes)
      assert.deepEqual(codesOf(listing), [code])
      assert.deepEqual(namesOf(listing), names)
    })
  }

  it('is reported for an entry that lies nowhere', async () => {
    const bytes = zip([{ name: 'a.exe' }])
    bytes.write('XX', 0)
    const listing = await zipEntries(bytes)
    assert.deepEqual(codesOf(listing), ['ZIP_CORRUPT'])
    assert.deepEqual(namesOf(listing), ['a.exe'])
  })
})

describe('the limits of a listing', () => {
  it('count entries, all zips together', async () => {
    const inner = zip([{ name: 'x' }, { name: 'y' }])
    const bytes = zip([
      { name: 'a.zip', content: inner },
      { name: 'b.zip', content: inner },
    ])
    assert.deepEqual(codesOf(await zipEntries(bytes, { entries: 6 })), [])
    const listing = await zipEntries(bytes, { entries: 5 })
    assert.deepEqual(codesOf(listing), ['ZIP_TOO_MANY_ENTRIES'])
    assert.equal(listing.entries.length, 5)
  })

  it('count zips in one another', async () => {
    let bytes = zip([{ name: 'x.exe' }])
    for (let i = 0; i < 6; i++) bytes = zip([{ name: 'in.zip', content: bytes, deflate: true }])
    const listing = await zipEntries(bytes)
    assert.deepEqual(codesOf(listing), ['ZIP_TOO_DEEP'])
    assert.deepEqual(codesOf(await zipEntries(bytes, { depth: 6 })), [])
  })

  it('stop a bomb', async () => {
    // A zip of zeros that looks like one at its start.
    const large = Buffer.alloc(50_000_000)
    large.write('PK\x03\x04')
    const bytes = zip([{ name: 'bomb', content: large, deflate: true }])
    assert.deepEqual(codesOf(await zipEntries(bytes)), ['ZIP_TOO_LARGE'])
    assert.deepEqual(codesOf(await zipEntries(bytes, { ratio: 2_000, bytes: 1_000_000 })), [
      'ZIP_TOO_LARGE',
    ])
  })

  it('stop entries that share their bytes', async () => {
    // Packed bytes that unpack to nothing: each entry costs what is read of it.
    const block = Buffer.from([0, 0, 0, 0xff, 0xff])
    const nothing = Buffer.alloc(500_000, block)
    const one = zip([{ name: 'n', content: nothing, method: 8 }])
    const local = one.subarray(0, 31 + nothing.length)
    const central = one.subarray(local.length, -22)
    const make = (entries: number): Buffer => {
      const end = Buffer.from(one.subarray(-22))
      end.writeUInt16LE(entries, 10)
      end.writeUInt32LE(central.length * entries, 12)
      return Buffer.concat([local, ...Array<Buffer>(entries).fill(central), end])
    }
    const stopped = async (bytes: Buffer): Promise<void> =>
      assert.ok(codesOf(await zipEntries(bytes)).includes('ZIP_TOO_LARGE'))
    // More of them than the limit allows cost nothing more.
    await assertGrowth(make, 625, stopped, 3)
  })

  for (const limits of [{ entries: 0 }, { depth: -1 }, { bytes: 1.5 }, { ratio: Number.NaN }]) {
    it(`are not ${JSON.stringify(limits)}`, async () => {
      await assert.rejects(zipEntries(Buffer.alloc(0), limits), { code: 'INVALID_OPTION' })
    })
  }
})

describe('any bytes', () => {
  const sample = zip(
    [
      { name: 'a.txt', content: 'some text', deflate: true },
      { name: 'b.zip', content: zip([{ name: 'x.exe', content: 'MZ' }]), deflate: true },
      { name: 'ü', utf8: true, content: deflateRawSync(Buffer.alloc(100)) },
    ],
    { comment: 'sample' },
  )

  it('have a listing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await zipEntries(bytes)
      }),
    )
  })

  it('have a listing where a zip was damaged', async () => {
    const change = fc.tuple(fc.nat(sample.length - 1), fc.nat(255))
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 8 }),
        fc.nat(sample.length),
        async (changes, cut) => {
          const bytes = Buffer.from(sample)
          for (const [at, byte] of changes) bytes[at] = byte
          await zipEntries(bytes)
          await zipEntries(bytes.subarray(cut))
          await zipEntries(bytes.subarray(0, cut))
        },
      ),
      { numRuns: 300 },
    )
  })
})
