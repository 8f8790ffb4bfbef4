import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fc } from '../../support/property.ts'
import { readSrsSecrets, Srs, type SrsOptions } from '../../../src/toolkit/index.ts'

const NOW = Date.UTC(2020, 0, 1, 0, 1)
const DAY = 86_400_000
const with_ = (options: Partial<SrsOptions> = {}): Srs =>
  new Srs({ domain: 'example.com', secrets: ['tops3cr3t'], now: () => NOW, ...options })

describe('Srs', () => {
  it('writes the addresses that postsrsd writes', () => {
    // The first is of the tests of postsrsd 2.4.
    for (const [sender, wanted] of [
      ['test@otherdomain.com', 'SRS0=vmyz=2W=otherdomain.com=test@example.com'],
      ['<test@otherdomain.com>', 'SRS0=vmyz=2W=otherdomain.com=test@example.com'],
      [
        'SRS0=opaque+string@otherdomain.com',
        /^SRS1=[\w-]{4}=otherdomain\.com==opaque\+string@example\.com$/,
      ],
      [
        'SRS0+opaque=string@otherdomain.com',
        /^SRS1=[\w-]{4}=otherdomain\.com=\+opaque=string@example\.com$/,
      ],
      [
        'SRS1=X=thirddomain.com==opaque+string@otherdomain.com',
        /^SRS1=[\w-]{4}=thirddomain\.com==opaque\+string@example\.com$/,
      ],
    ] as const) {
      const { address } = with_().forward(sender)
      if (typeof wanted === 'string') assert.equal(address, wanted, sender)
      else assert.match(address ?? '', wanted, sender)
    }
  })

  it('says why an address stays', () => {
    const srs = with_({ localDomains: ['Local.example'] })
    for (const [sender, reason] of [
      ['', 'null-sender'],
      ['<>', 'null-sender'],
      ['postmaster', 'no-domain'],
      ['<@relay.example:>', 'no-domain'],
      ['a@EXAMPLE.com', 'local-domain'],
      ['a@local.example', 'local-domain'],
      ['a@sub.LOCAL.example', 'local-domain'],
      ['SRS1=abcd@other.example', 'malformed'],
      ['SRS1=abcd=@other.example', 'malformed'],
      ['a@b=c.example', 'malformed'],
      ['SRS0=abcd=2W=x.example=y@b=c.example', 'malformed'],
    ]) {
      assert.deepEqual(srs.forward(sender!), { address: undefined, reason }, sender)
    }
    assert.ok(srs.forward('a@notlocal.example').address)
  })

  it('knows local domains with a dot before them as their subdomains', () => {
    const srs = with_({ localDomains: ['.Local.example'] })
    assert.equal(srs.forward('a@sub.local.example').address, undefined)
    assert.ok(srs.forward('a@local.example').address)
  })

  it('takes options that are undefined for those that are not given', () => {
    const options = [
      'localDomains',
      'separator',
      'hashLength',
      'minHashLength',
      'maxAge',
      'now',
    ]
    const given = Object.fromEntries(options.map((name) => [name, undefined]))
    const srs = new Srs({ domain: 'example.com', secrets: ['x'], ...given })
    const { address } = srs.forward('a@other.example')
    assert.deepEqual(srs.reverse(address!), { address: 'a@other.example' })
  })

  it('finds the original address', () => {
    for (const [recipient, original] of [
      ['SRS0=vmyz=2W=otherdomain.com=test@example.com', 'test@otherdomain.com'],
      ['<SRS0=vmyz=2W=otherdomain.com=test@anything.example>', 'test@otherdomain.com'],
      ['srs0=VMYZ=2w=OTHERDOMAIN.COM=TEST@example.com', 'TEST@OTHERDOMAIN.COM'],
      ['SRS0+vmyz=2W=otherdomain.com=test@example.com', 'test@otherdomain.com'],
      ['SRS0=vmyz=2W=otherdomain.com=test', 'test@otherdomain.com'],
    ]) {
      assert.deepEqual(with_().reverse(recipient!), { address: original }, recipient)
    }
  })

  it('says why an address has no original', () => {
    for (const [recipient, reason] of [
      ['test@example.com', 'not-srs'],
      ['SRS0@example.com', 'not-srs'],
      ['SRS0x=vmyz=2W=otherdomain.com=test@example.com', 'not-srs'],
      ['', 'not-srs'],
      ['SRS0=@example.com', 'malformed'],
      ['SRS0=vmyz=2W=otherdomain.com=@example.com', 'malformed'],
      ['SRS0=vmyz=2W1=otherdomain.com=test@example.com', 'malformed'],
      ['SRS0=vmyz=1W=otherdomain.com=test@example.com', 'malformed'],
      ['SRS0=vmy=2W=otherdomain.com=test@example.com', 'wrong-hash'],
      ['SRS0=vmyy=2W=otherdomain.com=test@example.com', 'wrong-hash'],
      ['SRS0=vmyz=2X=otherdomain.com=test@example.com', 'wrong-hash'],
      ['SRS0=vmyz=2W=otherdomain.com=best@example.com', 'wrong-hash'],
      ['SRS1=vmyz=otherdomain.com@example.com', 'malformed'],
      ['SRS1=vmyz=otherdomain.com==x=y=z@example.com', 'wrong-hash'],
    ]) {
      assert.deepEqual(with_().reverse(recipient!), { address: undefined, reason }, recipient)
    }
  })

  it('lets addresses expire, over the end of the 1024 days too', () => {
    const end = 1024 * 18 * DAY
    for (const made of [NOW, end - DAY, end]) {
      const { address } = with_({ now: () => made }).forward('a@other.example')
      for (const [days, valid] of [
        [0, true],
        [21, true],
        [22, false],
        [1023, false],
        // The same two digits again; nothing can tell.
        [1024, true],
      ] as const) {
        const found = with_({ now: () => made + days * DAY }).reverse(address!)
        assert.equal(found.address !== undefined, valid, `${days} days`)
        if (!valid) assert.deepEqual(found, { address: undefined, reason: 'expired' })
      }
    }
  })

  it('signs with the first secret, and believes all', () => {
    const old = with_({ secrets: ['old'] }).forward('a@other.example').address!
    const both = with_({ secrets: ['new', 'old'] })
    assert.deepEqual(both.reverse(old), { address: 'a@other.example' })
    const now = both.forward('a@other.example').address
    assert.equal(now, with_({ secrets: ['new'] }).forward('a@other.example').address)
    assert.notEqual(now, old)
  })

  it('reads hashes with + and /, which older versions of postsrsd write', () => {
    let seen = 0
    for (let n = 0; n < 500; n++) {
      const { address } = with_({ hashLength: 8 }).forward(`user${n}@other.example`)
      const hash = /^SRS0=([^=]+)=/.exec(address!)![1]!
      if (!/[-_]/.test(hash)) continue
      seen++
      const older = address!.replace(hash, hash.replaceAll('-', '+').replaceAll('_', '/'))
      assert.equal(with_({ hashLength: 8 }).reverse(older).address, `user${n}@other.example`)
    }
    assert.ok(seen > 10)
  })

  it('goes back through two forwarders', () => {
    const first = with_({ domain: 'first.example', secrets: ['1'] })
    const second = with_({ domain: 'second.example', secrets: ['2'], separator: '+' })
    const third = with_({ domain: 'third.example', secrets: ['3'], separator: '-' })
    const once = first.forward('user@origin.example').address!
    const twice = second.forward(once).address!
    const thrice = third.forward(twice).address!
    assert.match(
      twice,
      /^SRS1\+....=first\.example==....=2W=origin\.example=user@second\.example$/,
    )
    // The third bounces to the first, not to the second.
    assert.deepEqual(third.reverse(thrice), { address: once })
    assert.deepEqual(second.reverse(twice), { address: once })
    assert.deepEqual(first.reverse(once), { address: 'user@origin.example' })
  })

  it('names the key in the database of postsrsd', () => {
    const srs = with_()
    const { address } = srs.forward('0a1b2c3d4e5f@1')
    assert.deepEqual(srs.reverse(address!), {
      address: undefined,
      reason: 'alias',
      alias: '0A1B2C3D4E5F@1',
    })
  })

  it('says when the local part is long', () => {
    assert.equal(
      (with_().forward(`${'a'.repeat(30)}@other.example`) as { long: boolean }).long,
      false,
    )
    assert.equal(
      (with_().forward(`${'a'.repeat(40)}@other.example`) as { long: boolean }).long,
      true,
    )
  })

  it('returns every address as it was, quotes included', () => {
    const local = fc.oneof(
      fc.stringMatching(/^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}$/),
      fc
        .stringMatching(/^"[ -~]{0,3}[a-z @.,]{1,8}"$/)
        .filter((text) => !/["\\]/.test(text.slice(1, -1))),
      fc.constantFrom('é', '"a b"', '"a@b"', '"SRS0=x"', 'SRS0', 'a=b==c', '"\\"q\\""'),
    )
    fc.assert(
      fc.property(local, fc.constantFrom('=', '+', '-'), (user, separator) => {
        fc.pre(!/^"?SRS[01][=+-]/i.test(user))
        const sender = `${user}@other.example`
        const srs = with_({ separator })
        const rewritten = srs.forward(sender).address!
        const back = srs.reverse(rewritten).address!
        // Quotes that are not needed are not part of the address.
        assert.equal(with_().forward(back).address, with_().forward(sender).address)
        if (!user.startsWith('"')) assert.equal(back, sender)
      }),
    )
  })

  it('never throws, whatever a stranger wrote', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const srs = with_()
        for (const one of [text, `SRS0=${text}`, `SRS1=${text}`, `SRS0=vmyz=2W=a=${text}@b`]) {
          srs.reverse(one)
          srs.forward(`${one}@x.example`)
        }
      }),
    )
  })

  it('refuses options that make no sense', () => {
    for (const [options, message] of [
      [{ secrets: [] }, /at least one secret/],
      [{ secrets: [''] }, /not empty/],
      [{ domain: '' }, /name of a domain/],
      [{ domain: 'a@b' }, /name of a domain/],
      [{ separator: ':' as '=' }, /separator/],
      [{ hashLength: 0 }, /hashLength/],
      [{ hashLength: 21 }, /hashLength/],
      [{ minHashLength: 5 }, /minHashLength/],
      [{ maxAge: 1.5 }, /maxAge/],
      [{ localDomains: ['a b'] }, /localDomains/],
      [{ localDomains: [''] }, /localDomains/],
      [{ localDomains: ['.'] }, /localDomains/],
      [{ localDomains: 'a.example' as never }, /localDomains/],
    ] as const) {
      assert.throws(() => with_(options), { code: 'INVALID_OPTION', message })
    }
  })

  it('reads the file of secrets', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'srs-'))
    try {
      const path = join(folder, 'postsrsd.secret')
      await writeFile(path, 'new\r\n\nold one \n')
      assert.deepEqual(await readSrsSecrets(path), ['new', 'old one '])
      await writeFile(path, '\n')
      await assert.rejects(readSrsSecrets(path), { code: 'INVALID_OPTION' })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
