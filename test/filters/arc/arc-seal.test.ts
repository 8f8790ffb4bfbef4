import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, it } from 'node:test'
import { compose, defineFilter, shadow, type MessageFilter } from '../../../src/index.ts'
import { arcSeal, dkimSign, type ArcSealOptions } from '../../../src/filters/index.ts'
import { signingInput } from '../../../src/filters/signing/sign-field.ts'
import { SigningKey } from '../../../src/filters/signing/signing-key.ts'
import { deliver, type TestOutcome, type TestTransaction } from '../../../src/testing/index.ts'

const pem = (pair: { privateKey: KeyObject }): string =>
  String(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))
const ed25519 = pem(generateKeyPairSync('ed25519'))
const rsa = pem(generateKeyPairSync('rsa', { modulusLength: 2048 }))
const key = (selector: string, privateKey: string, times: object = {}) => ({
  domain: 'example.org',
  selector,
  privateKey,
  ...times,
})
const KEYS = [key('e1', ed25519)]
const ID = 'mx.example.org'
const BODY = '\r\n\r\nHello\r\n'
const HEADER = 'From: eve@example.net\r\nTo: alice@example.org\r\nSubject: x'
const OUTSIDE = { client: { hostname: 'out.example', address: '192.0.2.7' } }

/** What `authenticate` does for the seal. */
const results = (value: string, place: 'prepend' | 'insertFirst' = 'prepend'): MessageFilter =>
  defineFilter({
    name: 'results',
    message: (mail) => void mail.headers[place]('Authentication-Results', value),
  })

interface Sealed {
  /** ARC fields and Authentication-Results on top, unfolded */
  readonly lines: string[]
  readonly log: Readonly<Record<string, unknown>>
  readonly message: string
  readonly outcome: TestOutcome
}

async function sealed(
  header: string,
  before: readonly MessageFilter[],
  options: Partial<ArcSealOptions> = {},
  delivery: Partial<TestTransaction> = {},
): Promise<Sealed> {
  const filter = compose(...before, arcSeal({ authservId: ID, keys: KEYS, ...options }))
  const outcome = await deliver(filter, {
    message: Buffer.from(header + BODY, 'latin1'),
    ...OUTSIDE,
    ...delivery,
  })
  assert.deepEqual(outcome.errors, [])
  const message = outcome.message!.toString('latin1')
  const end = message.indexOf('\r\n\r\n')
  const lines = message
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
  const line = outcome.log.find(({ fields }) => fields['filter'] === 'arc-seal')!
  return { lines, log: { what: line.message, ...line.fields }, message, outcome }
}

const set = (i: number, cv = i === 1 ? 'none' : 'pass'): string =>
  [
    `ARC-Seal: i=${i}; a=rsa-sha256; cv=${cv}; d=example.net; s=x; b=eA==`,
    `ARC-Message-Signature: i=${i}; a=rsa-sha256; d=example.net; s=x; h=from; bh=eA==; b=eA==`,
    `ARC-Authentication-Results: i=${i}; mx.example.net; none`,
    '',
  ].join('\r\n')
const sets = (count: number): string =>
  Array.from({ length: count }, (_, i) => set(count - i)).join('')

describe('arcSeal', () => {
  it('puts a set on top: the seal, the signature, the results', async () => {
    const { lines, log } = await sealed(
      HEADER,
      [results(`${ID};\r\n\tspf=pass smtp.mailfrom=eve@example.net; arc=none`)],
      { now: () => 1_800_000_000_500 },
    )
    assert.match(
      lines[0]!,
      /^ARC-Seal: i=1; a=ed25519-sha256; t=1800000000; cv=none; d=example\.org; s=e1; b=\S+/,
    )
    assert.match(
      lines[1]!,
      /^ARC-Message-Signature: i=1; a=ed25519-sha256; c=relaxed\/relaxed; d=example\.org; s=e1; t=1800000000; h=from:.*; bh=\S+; b=/,
    )
    assert.equal(
      lines[2],
      `ARC-Authentication-Results: i=1; ${ID}; spf=pass smtp.mailfrom=eve@example.net; arc=none`,
    )
    assert.equal(
      lines[3],
      `Authentication-Results: ${ID}; spf=pass smtp.mailfrom=eve@example.net; arc=none`,
    )
    assert.deepEqual(
      { ...log, filter: undefined, connection: undefined },
      {
        ...log,
        filter: undefined,
        connection: undefined,
        what: 'changed',
        reason: 'sealed',
        instance: 1,
        cv: 'none',
        domain: 'example.org',
        selector: 'e1',
        algorithm: 'ed25519-sha256',
      },
    )
  })

  it('covers neither ARC fields nor results, but signatures of DKIM', async () => {
    const { lines } = await sealed(
      `${sets(1)}DKIM-Signature: v=1\r\nDKIM-Signature: v=1\r\n${HEADER}`,
      [results(`${ID}; arc=pass`)],
    )
    const names = /h=([^;]*);/.exec(lines[1]!)![1]!.replaceAll(' ', '').split(':')
    assert.deepEqual(
      names.filter((name) => /^(?:arc-.*|authentication-results)$/.test(name)),
      [],
    )
    assert.equal(names.filter((name) => name === 'dkim-signature').length, 2)
    assert.equal(names.filter((name) => name === 'from').length, 2)
    assert.doesNotMatch(lines[0]!, /; h=/)
  })

  describe('which mail', () => {
    const good = results(`${ID}; arc=none`)
    const observed = shadow(good)
    const forged = `Authentication-Results: ${ID}; arc=none\r\n`
    const cases: [
      string,
      string,
      MessageFilter[],
      Partial<ArcSealOptions>,
      Partial<TestTransaction>,
      string | undefined,
    ][] = [
      ['from outside', HEADER, [good], {}, {}, undefined],
      [
        'of a client that has logged in',
        HEADER,
        [good],
        {},
        { authenticated: 'alice' },
        'ours',
      ],
      [
        'the same, if that does not count',
        HEADER,
        [good],
        { authenticated: false },
        { authenticated: 'alice' },
        undefined,
      ],
      [
        'of the machine itself',
        HEADER,
        [good],
        {},
        { client: { address: '127.0.0.1' } },
        'ours',
      ],
      ['of nobody on the network', HEADER, [good], {}, { client: null }, 'ours'],
      [
        'of a daemon',
        HEADER,
        [good],
        { daemons: ['ORIGINATING'] },
        { macros: { daemon_name: 'ORIGINATING' } },
        'ours',
      ],
      ['without results', HEADER, [], {}, {}, 'not-authenticated'],
      [
        'with results below Received',
        HEADER,
        [results(`${ID}; arc=none`, 'insertFirst')],
        {},
        {},
        undefined,
      ],
      [
        'with results of another id',
        HEADER,
        [results('mx.example.net; arc=none')],
        {},
        {},
        'not-authenticated',
      ],
      [
        'with our id as a subdomain',
        HEADER,
        [results(`x.${ID}; arc=none`)],
        {},
        {},
        'not-authenticated',
      ],
      [
        'with our id in other letters',
        HEADER,
        [results(`(x) "MX.Example.ORG" 1; arc=none`)],
        {},
        {},
        undefined,
      ],
      [
        'with results that cannot be read',
        HEADER,
        [results(`${ID}; arc=none (`)],
        {},
        {},
        'not-authenticated',
      ],
      ['with forged results', forged + HEADER, [], {}, {}, 'not-authenticated'],
      [
        'with forged results that a filter has edited',
        forged + HEADER,
        [
          defineFilter({
            name: 'edit',
            message: (mail) =>
              void (mail.headers.field('Authentication-Results')!.raw = Buffer.from(
                ` ${ID}; arc=none; x=y`,
              )),
          }),
        ],
        {},
        {},
        'not-authenticated',
      ],
      [
        'with forged results above ours',
        HEADER,
        [
          good,
          defineFilter({
            name: 'move',
            message: (mail) =>
              void mail.headers.insertBefore(
                'Authentication-Results',
                'Authentication-Results',
                ` ${ID}; arc=fail`,
              ),
          }),
        ],
        {},
        {},
        'chain-changed',
      ],
      ['with forged results below ours', forged + HEADER, [good], {}, {}, undefined],
      ['with results that are only observed', HEADER, [observed], {}, {}, 'not-authenticated'],
      [
        'before any key',
        HEADER,
        [good],
        {
          keys: [key('e1', ed25519, { notBefore: '2027-01-01' })],
          now: () => Date.parse('2026-12-31'),
        },
        {},
        'no-active-key',
      ],
      [
        'with a chain of 49',
        sets(49) + HEADER,
        [results(`${ID}; arc=pass`)],
        {},
        {},
        undefined,
      ],
      [
        'with a chain of 50',
        sets(50) + HEADER,
        [results(`${ID}; arc=pass`)],
        {},
        {},
        'too-many-instances',
      ],
      [
        'with a chain of 10, of 10',
        sets(10) + HEADER,
        [results(`${ID}; arc=pass`)],
        { maxInstances: 10 },
        {},
        'too-many-instances',
      ],
      [
        'with a chain of 9, of 10',
        sets(9) + HEADER,
        [results(`${ID}; arc=pass`)],
        { maxInstances: 10 },
        {},
        undefined,
      ],
      [
        'with a seal that says fail',
        set(2, 'fail') + set(1) + HEADER,
        [results(`${ID}; arc=fail`)],
        {},
        {},
        'chain-failed',
      ],
      [
        'with a seal that says fail, whatever the results say',
        set(1, 'FAIL') + HEADER,
        [results(`${ID}; arc=pass`)],
        {},
        {},
        'chain-failed',
      ],
      [
        'with a chain of which nobody knows',
        sets(1) + HEADER,
        [results(`${ID}; arc=temperror`)],
        {},
        {},
        'chain-unknown',
      ],
      [
        'with a chain that was not looked at',
        sets(1) + HEADER,
        [results(`${ID}; spf=pass`)],
        {},
        {},
        'chain-unknown',
      ],
      ['with a chain and results of none', sets(1) + HEADER, [good], {}, {}, 'chain-unknown'],
      [
        'with two results of a chain',
        sets(1) + HEADER,
        [results(`${ID}; arc=pass; arc=fail`)],
        {},
        {},
        'chain-unknown',
      ],
      [
        'with fields of no instance',
        set(0) + HEADER,
        [results(`${ID}; arc=fail`)],
        {},
        {},
        'chain-malformed',
      ],
      [
        'with a chain that a filter has removed',
        sets(1) + HEADER,
        [
          results(`${ID}; arc=pass`),
          defineFilter({
            name: 'remove',
            message(mail) {
              for (const name of [
                'ARC-Seal',
                'ARC-Message-Signature',
                'ARC-Authentication-Results',
              ])
                mail.headers.delete(name)
            },
          }),
        ],
        {},
        {},
        'chain-changed',
      ],
      [
        'with a chain that a filter has edited',
        sets(1) + HEADER,
        [
          results(`${ID}; arc=pass`),
          defineFilter({
            name: 'edit',
            message: (mail) =>
              void (mail.headers.field('ARC-Seal')!.raw = Buffer.from(' i=1; cv=none')),
          }),
        ],
        {},
        {},
        'chain-changed',
      ],
      [
        'that is sealed twice',
        HEADER,
        [good, arcSeal({ authservId: ID, keys: KEYS, name: 'first' })],
        {},
        {},
        'chain-changed',
      ],
    ]
    for (const [name, header, before, options, delivery, reason] of cases) {
      it(`${name}: ${reason ?? 'sealed'}`, async () => {
        for (const mta of ['postfix', 'sendmail'] as const) {
          const { outcome, message } = await sealed(header, before, options, {
            mta,
            ...delivery,
          })
          const line = outcome.log.findLast(({ fields }) => fields['filter'] === 'arc-seal')!
          assert.equal(line.message, reason === undefined ? 'changed' : 'skipped')
          assert.equal(line.fields['reason'], reason ?? 'sealed')
          const seals = (text: string): number => text.match(/^ARC-Seal:/gm)?.length ?? 0
          const removed = name.endsWith('removed') ? -1 : 0
          const twice = name === 'that is sealed twice' ? 1 : 0
          assert.equal(
            seals(message) - seals(header),
            reason === undefined ? 1 : removed + twice,
          )
        }
      })
    }
  })

  describe('cv=', () => {
    const [first, second] = [set(1), set(2)]
    const without = (text: string, name: string): string =>
      text.replace(new RegExp(`^${name}:.*\\r\\n`, 'm'), '')
    const cases: [string, string, string, number, string, string | undefined][] = [
      ['no chain', '', 'none', 1, 'none', undefined],
      ['no chain, without a result', '', '', 1, 'none', undefined],
      ['a good chain', first, 'pass', 2, 'pass', undefined],
      ['a bad chain', second + first, 'fail', 3, 'fail', undefined],
      // Not even if the results say pass.
      ['a gap', set(3) + first, 'pass', 4, 'fail', 'set 2 has no ARC-Authentication-Results'],
      [
        'a chain that begins late',
        second,
        'pass',
        3,
        'fail',
        'set 1 has no ARC-Authentication-Results',
      ],
      [
        'a set twice',
        first + first,
        'pass',
        2,
        'fail',
        'set 1 has ARC-Authentication-Results 2 times',
      ],
      ['no seal', without(first, 'ARC-Seal'), 'none', 2, 'fail', 'set 1 has no ARC-Seal'],
      [
        'no signature',
        without(first, 'ARC-Message-Signature'),
        'fail',
        2,
        'fail',
        'set 1 has no ARC-Message-Signature',
      ],
      [
        'h= in a seal',
        first.replace('cv=none', 'cv=none; h=from'),
        'pass',
        2,
        'fail',
        'ARC-Seal has h=',
      ],
      [
        'an instance too high',
        set(51) + first,
        'pass',
        2,
        'fail',
        'ARC-Seal has no instance from 1 to 50',
      ],
      [
        'a failed set below',
        second + set(1, 'fail'),
        'pass',
        3,
        'fail',
        'the seal of set 1 says cv=fail, not none',
      ],
    ]
    for (const [name, chain, result, instance, cv, defect] of cases) {
      it(`${name}: ${cv}`, async () => {
        const value = result === '' ? 'none' : `arc=${result}`
        const { lines, log, message } = await sealed(chain + HEADER, [
          results(`${ID}; ${value}`),
        ])
        assert.match(lines[0]!, new RegExp(`^ARC-Seal: i=${instance}; .*cv=${cv};`))
        assert.deepEqual([log['instance'], log['cv'], log['defect']], [instance, cv, defect])

        // A good chain is covered from its first field on, a bad one not at all (RFC 8617, sections 5.1.1 and 5.1.2).
        const fields = message
          .slice(0, message.indexOf('\r\n\r\n'))
          .split(/\r\n(?![ \t])/)
          .map((line) => {
            const colon = line.indexOf(':')
            return {
              name: Buffer.from(line.slice(0, colon)),
              value: Buffer.from(line.slice(colon + 1)),
            }
          })
        const [seal, signature, own] = fields
        const old = cv === 'pass' ? [fields[6]!, fields[5]!, fields[4]!] : []
        const b = String(seal!.value).lastIndexOf('b=') + 2
        const data = signingInput(
          [...old, own!, signature!],
          seal!.name,
          seal!.value.subarray(0, b),
          'relaxed',
        )
        const value64 = String(seal!.value.subarray(b)).replaceAll(/\s/g, '')
        assert.ok(
          new SigningKey('example.org', 'e1', ed25519).verify(
            data,
            Buffer.from(value64, 'base64'),
          ),
        )
      })
    }
  })

  it('signs with RSA if there is such a key, and with the newest', async () => {
    const keys = [
      key('e1', ed25519),
      key('r1', rsa),
      key('r2', rsa, { notBefore: '2027-01-01' }),
    ]
    const selectors: unknown[] = []
    for (const now of ['2026-12-31', '2027-01-01']) {
      const { log } = await sealed(HEADER, [results(`${ID}; arc=none`)], {
        keys,
        now: () => Date.parse(now),
      })
      selectors.push(log['selector'])
    }
    assert.deepEqual(selectors, ['r1', 'r2'])
  })

  it('stands above a signature of dkimSign, and covers it', async () => {
    const sign = dkimSign({
      keys: [{ ...KEYS[0]!, domain: 'example.net' }],
      networks: ['192.0.2.0/24'],
    })
    const { lines } = await sealed(HEADER, [results(`${ID}; arc=none`), sign])
    assert.deepEqual(
      lines.slice(0, 5).map((line) => line.slice(0, line.indexOf(':'))),
      [
        'ARC-Seal',
        'ARC-Message-Signature',
        'ARC-Authentication-Results',
        'DKIM-Signature',
        'Authentication-Results',
      ],
    )
    assert.match(lines[1]!, /dkim-signature/)
  })

  it('only says what it would do when it is observed', async () => {
    const { log, message } = await sealed(HEADER, [results(`${ID}; arc=none`)], {
      observe: true,
    })
    assert.equal(log['what'], 'would be changed')
    assert.doesNotMatch(message, /^ARC-/m)
  })

  it('refuses options that make no sense', () => {
    for (const [options, message] of [
      [{ authservId: 'mx example' }, /authservId/],
      [{ keys: [] }, /keys/],
      [{ keys: undefined }, /keys/],
      [{ keys: [...KEYS, { ...KEYS[0], domain: 'example.net' }] }, /one domain.*example\.net/],
      [{ maxInstances: 9 }, /maxInstances/],
      [{ maxInstances: 51 }, /maxInstances/],
      [{ sign: ['ARC-Seal'] }, /ARC-Seal.*8617/],
      [{ oversign: ['From', 'authentication-results'] }, /authentication-results.*8617/],
      [{ oversign: ['To'], sign: [] }, /From/],
      [{ maxinstances: 10 }, /maxInstances/],
    ] as const) {
      assert.throws(() => arcSeal({ authservId: ID, keys: KEYS, ...options } as never), {
        code: 'INVALID_OPTION',
        message,
      })
    }
  })
})
