/**
 * Each failure of DNS at each question of a message. A failure never rejects a message that would pass otherwise, and never
 * lets one pass that would be rejected.
 */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { ResolverAnswer } from '../../../src/toolkit/index.ts'
import { zone } from '../../toolkit/dns/scripted-resolver.ts'
import {
  checked,
  KEYS,
  MESSAGE,
  OWN,
  sealed,
  signed,
  ZONE,
  type Checked,
  type Delivery,
} from './world.ts'

const never = new Promise<never>(() => {})

/** Nobody knows the answer. */
const FAILURES: Readonly<
  Record<string, (question: string) => ResolverAnswer | Promise<ResolverAnswer>>
> = {
  timeout: () => ({ failed: 'timeout' }),
  unreachable: () => ({ failed: 'unreachable' }),
  SERVFAIL: () => ({ failed: 'server-failure' }),
  REFUSED: () => ({ failed: 'refused' }),
  'an answer that was cut off': () => ({ failed: 'bad-answer' }),
  'a loop': (question) => ({ alias: question.slice(question.indexOf(' ') + 1) }),
  'a long chain': (question) => ({ alias: `x.${question.slice(question.indexOf(' ') + 1)}` }),
  'an alias that is no name': () => ({ alias: 'a b' }),
  busy: () => ({ failed: 'busy' }),
  'an exception': () => {
    throw new Error('broken')
  },
  'an exception that is no error': () => {
    // oxlint-disable-next-line no-throw-literal
    throw 'broken'
  },
  'nothing that is an answer': () => ({}) as never,
}

/** The answer says something else. */
const ANSWERS: Readonly<Record<string, ResolverAnswer>> = {
  NXDOMAIN: { none: 'no-domain' },
  'no data': { none: 'no-data' },
  'an empty text': { found: [''] },
  'bytes that mean nothing': { found: ['\u0000\u00ff;;==v=DMARC1'] },
}

const SPF_ZONE = {
  ...ZONE,
  'TXT example.org': [
    'v=spf1 include:_spf.example.org a:a.example.org mx:m.example.org exists:%{i}.x.example.org redirect=r.example.org',
  ],
  'TXT _spf.example.org': ['v=spf1 ip4:192.0.2.200 ?all'],
  'A a.example.org': ['192.0.2.201'],
  'MX m.example.org': { found: [{ exchange: 'm1.example.org', priority: 10 }] },
  'A m1.example.org': ['192.0.2.202'],
  'TXT r.example.org': ['v=spf1 ip4:192.0.2.1 -all'],
}
const SUBDOMAIN_ZONE = {
  ...SPF_ZONE,
  'TXT _dmarc.example.org': ['v=DMARC1; p=reject; sp=quarantine; np=reject'],
  'A b.example.org': ['192.0.2.1'],
  'TXT r._domainkey.b.example.org': ZONE['TXT r._domainkey.example.org']!,
}
const ofSubdomain = MESSAGE.replace('@example.org', '@b.example.org')
const passed = 'dmarc=pass header.from=example.org'
const arc = await sealed(await sealed(MESSAGE, { domain: 'example.net', results: passed }), {
  domain: 'example.org',
  results: 'dmarc=fail',
  cv: 'pass',
  i: 2,
})
const own = { client: { address: OWN, hostname: 'mail.example.org' } }

const SCENARIOS: Readonly<Record<string, Delivery>> = {
  'SPF alone': { zone: SPF_ZONE, ...own },
  'DKIM alone': { zone: SPF_ZONE, message: signed(MESSAGE) },
  'two signatures of the author, one of another': {
    zone: SPF_ZONE,
    message: signed(signed(signed(MESSAGE), { key: KEYS.ed25519, selector: 'e' }), {
      domain: 'example.net',
    }),
  },
  'SPF and DKIM of a subdomain': {
    zone: SUBDOMAIN_ZONE,
    message: signed(ofSubdomain, { domain: 'b.example.org' }),
    ...own,
  },
  'a null sender': {
    zone: { ...SPF_ZONE, 'TXT mail.example.org': ['v=spf1 redirect=example.org'] },
    from: '',
    ...own,
  },
  'trusted seals': {
    message: arc,
    options: { trustedSealers: ['example.net', 'example.org'] },
  },
  'a list': {
    message: signed(MESSAGE, { domain: 'example.net' }),
    options: { lists: ['example.net'] },
  },
  forged: { zone: SPF_ZONE },
  'forged, with a signature of another': {
    zone: SPF_ZONE,
    message: signed(MESSAGE, { domain: 'example.net' }),
  },
  'forged, with a broken signature': {
    zone: SPF_ZONE,
    message: signed(MESSAGE).replace('Hello', 'Hallo'),
  },
  'forged, of a subdomain that does not exist': {
    zone: SUBDOMAIN_ZONE,
    message: MESSAGE.replace('@example.org', '@nowhere.example.org'),
  },
  'forged, with SPF of another': {
    zone: SPF_ZONE,
    from: 'eve@example.net',
    ...own,
  },
  'forged, p=quarantine': {
    zone: { ...SPF_ZONE, 'TXT _dmarc.example.org': ['v=DMARC1; p=quarantine'] },
  },
  'forged, with seals that nobody trusts': { message: arc },
}

/** A question, and those for the aliases that stand for it. */
const isOf = (question: string, one: string): boolean =>
  one === question || one.replace(/ (?:x\.)+/, ' ') === question

const DEFERS = new Set(['tempfail'])

describe('a failure of DNS', () => {
  let cases = 0
  for (const [name, delivery] of Object.entries(SCENARIOS)) {
    it(`at each question: ${name}`, async () => {
      const answers = zone(delivery.zone ?? ZONE)
      const usual = await checked({ ...delivery, answers })
      const isForged = name.startsWith('forged')
      assert.equal(
        usual.end,
        isForged ? (name.includes('quarantine') ? 'held' : 'reject') : 'accept',
      )
      for (const question of new Set(usual.asked)) {
        for (const [failure, fail] of Object.entries(FAILURES)) {
          cases++
          const found = await checked({
            ...delivery,
            answers: (one) => (isOf(question, one) ? fail(one) : answers(one)),
          })
          const about: string = `${failure} at ${question}: ${found.end}, usual ${usual.end}`
          // Only what would be rejected anyway is rejected, and nothing that would be rejected passes.
          if (usual.end === 'accept') assert.notEqual(found.end, 'reject', about)
          if (usual.end === 'accept') assert.notEqual(found.end, 'held', about)
          if (usual.end === 'reject') assert.notEqual(found.end, 'accept', about)
          if (DEFERS.has(found.end)) {
            assert.equal(found.line['reason'], 'dns', about)
            assert.match(String(found.outcome.reply), /^451 4\.7\.0 /, about)
          }
        }
        for (const [other, answer] of Object.entries(ANSWERS)) {
          if (answer.found !== undefined && !question.startsWith('TXT')) continue
          cases++
          const found = await checked({
            ...delivery,
            answers: (one) => (one === question ? answer : answers(one)),
          })
          // An answer is no failure, so nothing waits for another one.
          assert.notEqual(found.end, 'tempfail', `${other} at ${question}`)
        }
      }
    })

    it(`at two questions: ${name}`, async () => {
      const answers = zone(delivery.zone ?? ZONE)
      const usual = await checked({ ...delivery, answers })
      const questions = [...new Set(usual.asked)]
      for (const [i, first] of questions.entries()) {
        for (const second of questions.slice(i + 1)) {
          cases++
          const found = await checked({
            ...delivery,
            answers: (one) =>
              one === first || one === second ? { failed: 'server-failure' } : answers(one),
          })
          const about: string = `${first}, ${second}: ${found.end}, usual ${usual.end}`
          if (usual.end === 'accept') assert.notEqual(found.end, 'reject', about)
          if (usual.end === 'reject') assert.notEqual(found.end, 'accept', about)
        }
      }
    })

    it(`at all questions of a type: ${name}`, async () => {
      const answers = zone(delivery.zone ?? ZONE)
      const usual = await checked({ ...delivery, answers })
      for (const [type, pattern] of Object.entries({
        all: /./,
        SPF: /^(?!TXT (?:x\.)*_dmarc|.*_domainkey)/,
        keys: /_domainkey/,
        DMARC: /^TXT (?:x\.)*_dmarc/,
        'SPF and keys': /^(?!TXT (?:x\.)*_dmarc)/,
      })) {
        for (const [failure, fail] of Object.entries(FAILURES)) {
          cases++
          const found = await checked({
            ...delivery,
            answers: (one) => (pattern.test(one) ? fail(one) : answers(one)),
          })
          const about: string = `${failure} of ${type}: ${found.end}, usual ${usual.end}`
          if (usual.end === 'accept') assert.notEqual(found.end, 'reject', about)
          if (usual.end === 'reject') assert.notEqual(found.end, 'accept', about)
        }
      }
    })
  }

  it('that never ends is a temperror', async () => {
    for (const question of ['TXT example.org', 'TXT r._domainkey.example.org']) {
      const answers = zone(ZONE)
      const found = await checked({
        message: signed(MESSAGE).replace('Hello', 'Hello'),
        answers: (one) => (one === question ? never : answers(one)),
        options: { maxTime: 30 },
      })
      assert.notEqual(found.end, 'reject', question)
    }
  })

  const results: [string, RegExp, Record<string, string>, string][] = [
    ['SPF alone', /^TXT example\.org$/, { spf: 'temperror', dmarc: 'temperror' }, 'tempfail'],
    [
      'SPF alone',
      /^TXT r\.example\.org$/,
      { spf: 'temperror', dmarc: 'temperror' },
      'tempfail',
    ],
    ['SPF alone', /^TXT _dmarc\.example/, { spf: 'pass', dmarc: 'temperror' }, 'accept'],
    ['DKIM alone', /_domainkey/, { spf: 'fail', dmarc: 'temperror' }, 'tempfail'],
    ['forged', /_dmarc\.example/, { spf: 'fail', dmarc: 'temperror' }, 'tempfail'],
    [
      'forged, with a signature of another',
      /_domainkey/,
      { spf: 'fail', dmarc: 'fail' },
      'reject',
    ],
    [
      'forged, with SPF of another',
      /^TXT example\.net/,
      { spf: 'temperror', dmarc: 'fail' },
      'reject',
    ],
    [
      'trusted seals',
      /domainkey\.example\.net/,
      { arc: 'temperror', dmarc: 'fail' },
      'tempfail',
    ],
  ]
  for (const [name, pattern, wanted, end] of results) {
    it(`is said: ${name}, ${String(pattern)}`, async () => {
      const delivery = SCENARIOS[name]!
      const answers = zone(delivery.zone ?? ZONE)
      const found: Checked = await checked({
        ...delivery,
        answers: (one) => (pattern.test(one) ? { failed: 'timeout' } : answers(one)),
      })
      for (const [method, result] of Object.entries(wanted)) {
        assert.equal(found.line[method], result, method)
      }
      assert.equal(found.end, end)
    })
  }

  after(() => {
    assert.ok(cases > 2_000, `${cases} cases`)
  })
})
