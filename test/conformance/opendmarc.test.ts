import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { MtaClient, type Outcome, type Transaction } from '../../src/mta/index.ts'
import { deliverTo } from './support/deliver.ts'
import { available, startFilter, temporaryDirectory } from './support/program.ts'

/** What opendmarc trusts and calls itself: macro j, which it has from CONNECT. */
const HOST = 'mx.example.net'
const RECIPIENT = 'bob@example.net'
const REPORTS = 'dmarc@example.net'

/** opendmarc with DNS from a file. TestDNSData is not in its manual; its own tests use it. */
async function startOpendmarc(): Promise<string> {
  const directory = temporaryDirectory()
  const path = (name: string): string => join(directory, name)
  writeFileSync(
    path('dns'),
    [
      '_dmarc.reject.example v=DMARC1; p=reject',
      '_dmarc.hold.example v=DMARC1; p=quarantine',
      '_dmarc.none.example v=DMARC1; p=none',
      '_dmarc.broken.example v=DMARC1; p=nonsense',
      '',
    ].join('\n'),
  )
  const socket = path('opendmarc.sock')
  writeFileSync(
    path('opendmarc.conf'),
    [
      `Socket local:${socket}`,
      `TestDNSData ${path('dns')}`,
      'RejectFailures yes',
      'HoldQuarantinedMessages yes',
      `CopyFailuresTo ${REPORTS}`,
      'RequiredHeaders yes',
      'RejectMultiValueFrom yes',
      'IgnoreAuthenticatedClients yes',
      'SoftwareHeader yes',
      'Syslog no',
      '',
    ].join('\n'),
  )
  await startFilter('opendmarc', ['-f', '-c', path('opendmarc.conf')], socket)
  return `unix:${socket}`
}

function message(from: readonly string[], results?: string): string {
  return [
    ...(results === undefined ? [] : [`Authentication-Results: ${results}`]),
    ...from.map((value) => `From: ${value}`),
    `To: ${RECIPIENT}`,
    'Subject: A message',
    'Date: Tue, 24 Nov 2026 10:00:00 +0000',
    'Message-ID: <1@example.org>',
    '',
    'Hello',
    '',
  ].join('\r\n')
}

const fromDomain = (
  domain: string,
  results?: string,
): Transaction & { readonly message: string } => ({
  from: `alice@${domain}`,
  message: message([`Alice <alice@${domain}>`], results),
})

/** The results it knows, and what it makes of them. */
const JUDGED: readonly (readonly [
  domain: string,
  results: string | undefined,
  dmarc: string,
])[] = [
  ['reject.example', `${HOST}; dkim=pass header.d=reject.example`, 'pass (p=reject dis=none)'],
  [
    'reject.example',
    `${HOST}; spf=pass smtp.mailfrom=reject.example`,
    'pass (p=reject dis=none)',
  ],
  ['none.example', `${HOST}; dkim=pass header.d=other.example`, 'fail (p=none dis=none)'],
  ['unknown.example', undefined, 'none (p=none dis=none)'],
  ['hold.example', undefined, 'fail (p=quarantine dis=quarantine)'],
]

describe('opendmarc', () => {
  if (!available('opendmarc', ['-V'], 'opendmarc')) return
  for (const mta of ['postfix', 'sendmail'] as const) {
    const session = async (): Promise<
      [MtaClient, (given: Transaction) => Promise<Outcome>]
    > => {
      const client = await MtaClient.connect(await startOpendmarc(), { mta })
      return [
        client,
        (given) => deliverTo(client, { to: RECIPIENT, macros: { i: 'JOB' }, ...given }),
      ]
    }

    it(`puts what it finds above the message behind ${mta}`, async () => {
      const [client, deliver] = await session()
      await using _ = client
      for (const [domain, results, dmarc] of JUDGED) {
        const given = fromDomain(domain, results)
        const outcome = await deliver(given)
        const held = domain === 'hold.example'
        assert.equal(outcome.verdict, held ? 'quarantine' : 'accept')
        assert.equal(
          outcome.quarantine,
          held ? `quarantined by DMARC policy for ${domain}` : undefined,
        )
        assert.deepEqual(outcome.recipients, held ? [RECIPIENT, REPORTS] : [RECIPIENT])
        assert.equal(
          outcome.message!.toString().replace(/(?<=OpenDMARC Filter )v\S+/, 'v'),
          `DMARC-Filter: OpenDMARC Filter v ${HOST} JOB\r\n` +
            `Authentication-Results: ${HOST}; dmarc=${dmarc} header.from=${domain}\r\n` +
            given.message,
        )
      }
      const broken = fromDomain('broken.example')
      assert.equal(
        (await deliver(broken)).message!.toString(),
        `Authentication-Results: ${HOST}; dmarc=permerror header.from=broken.example\r\n${broken.message}`,
      )
    })

    it(`refuses behind ${mta}`, async () => {
      const [client, deliver] = await session()
      await using _ = client
      // The first two are against the policy, and opendmarc says so. The others are no proper mail:
      // for them it has only a bare REJECT, and the words are the server's.
      const policy = '550 5.7.1 rejected by DMARC policy for reject.example'
      const bare = `${mta === 'postfix' ? 550 : 554} 5.7.1 Command rejected`
      for (const [given, reply] of [
        [fromDomain('reject.example'), policy],
        [
          // Not a host it trusts.
          fromDomain('reject.example', 'mx.example.com; dkim=pass header.d=reject.example'),
          policy,
        ],
        [{ message: message([]) }, bare],
        [{ message: message(['a@none.example', 'a@none.example']) }, bare],
        [{ message: message(['a@none.example, b@hold.example']) }, bare],
      ] as const) {
        const outcome = await deliver(given)
        assert.deepEqual(
          [outcome.verdict, outcome.stage, outcome.reply],
          ['reject', 'eom', reply],
        )
      }
    })

    it(`leaves alone behind ${mta}`, async () => {
      const given = fromDomain('reject.example')
      for (const [stage, trusted] of [
        ['connect', { client: { hostname: 'localhost', address: '127.0.0.1' } }],
        ['mail', { macros: { auth_authen: 'alice' } }],
      ] as const) {
        const [client, deliver] = await session()
        await using _ = client
        const outcome = await deliver({ ...given, ...trusted })
        assert.deepEqual([outcome.verdict, outcome.edits], ['accept', []])
        assert.equal(outcome.message!.toString(), given.message)
        // The command that it has answered with ACCEPT.
        const frames = outcome.trace.entries.map(({ message }) => message?.type)
        assert.equal(frames[frames.indexOf('accept') - 1], stage)
      }
    })
  }
})
