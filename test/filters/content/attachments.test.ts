import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { attachments, type AttachmentsOptions } from '../../../src/filters/index.ts'
import { parseMime } from '../../../src/mime/index.ts'
import { deliver, type TestOutcome, type TestTransaction } from '../../../src/testing/index.ts'
import {
  attachedMessage,
  file,
  multipart,
  part,
  PROGRAM,
  TEXT,
} from '../../support/attachments.ts'
import { zip } from '../../support/zip.ts'

const folder = mkdtempSync(join(tmpdir(), 'attachments-'))
after(() => rmSync(folder, { recursive: true }))

const CLEAN = multipart([TEXT, file('a.txt')])
const EXE = multipart([TEXT, file('a.exe')])
const REAL = multipart([TEXT, file('a.exe', PROGRAM)])
const locked = multipart([
  TEXT,
  file('a.zip', zip([{ name: 'a.txt', content: 'x', encrypted: true }])),
])
const inZip = multipart([TEXT, file('a.zip', zip([{ name: 'x.js', content: 'x' }]))])
const video = multipart([TEXT, part('Content-Type: video/mp4; name=a.mp4')])
const signed = `From: a@example.com\r\nContent-Type: multipart/signed; boundary=s; protocol="application/pgp-signature"\r\n\r\n--s\r\n${EXE.slice(EXE.indexOf('Content-Type'))}\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--s--\r\n`
/** Some programs take the last type. */
const twoTypes = CLEAN.replace('Content-Type', 'Content-Type: text/plain\r\nContent-Type')

async function sent(
  options: AttachmentsOptions,
  delivery: TestTransaction,
  check: (outcome: TestOutcome, line: TestOutcome['log'][number]) => void,
): Promise<void> {
  for (const mta of ['postfix', 'sendmail'] as const) {
    const outcome = await deliver(attachments(options), { mta, ...delivery })
    assert.deepEqual(outcome.errors, [])
    check(
      outcome,
      outcome.log.find(({ fields }) => fields['reason'] !== undefined)!,
    )
  }
}

describe('attachments: what becomes of a message', () => {
  const cases: [string, AttachmentsOptions, string, result: string, reason: string][] = [
    ['clean', {}, CLEAN, 'passed', 'clean'],
    ['a program by its name', {}, EXE, 'refused', 'DANGEROUS_EXTENSION'],
    ['in a zip', {}, inZip, 'refused', 'DANGEROUS_EXTENSION'],
    ['in a zip that is not looked at', { archives: false }, inZip, 'passed', 'clean'],
    [
      'in an attached message',
      {},
      multipart([TEXT, attachedMessage(EXE, true)]),
      'refused',
      'DANGEROUS_EXTENSION',
    ],
    [
      'above a limit',
      { limits: { entries: 1 } },
      multipart([TEXT, file('a.zip', zip([{ name: 'a' }, { name: 'b' }]))]),
      'refused',
      'ZIP_TOO_MANY_ENTRIES',
    ],
    ['replaced', { action: 'replace' }, EXE, 'changed', 'DANGEROUS_EXTENSION'],
    ['held', { action: 'quarantine' }, EXE, 'held', 'DANGEROUS_EXTENSION'],
    ['an encrypted zip', {}, locked, 'refused', 'ZIP_ENCRYPTED'],
    [
      'an encrypted zip that may pass',
      { reasons: { ZIP_ENCRYPTED: 'pass' } },
      locked,
      'passed',
      'allowed',
    ],
    [
      'an encrypted zip that is held',
      { reasons: { ZIP_ENCRYPTED: 'quarantine' } },
      locked,
      'held',
      'ZIP_ENCRYPTED',
    ],
    [
      'two findings: refusing comes first',
      { action: 'quarantine', reasons: { PROGRAM: 'refuse' } },
      REAL,
      'refused',
      'PROGRAM',
    ],
    [
      'two findings: holding comes before replacing',
      { action: 'replace', reasons: { PROGRAM: 'quarantine' } },
      REAL,
      'held',
      'PROGRAM',
    ],
    ['an extension that is allowed', { allowExtensions: '.EXE' }, EXE, 'passed', 'clean'],
    [
      'an extension that is added',
      { addExtensions: 'txt' },
      CLEAN,
      'refused',
      'DANGEROUS_EXTENSION',
    ],
    ['another list of extensions', { extensions: 'txt' }, EXE, 'passed', 'clean'],
    ['a type', { types: 'video/mp4' }, video, 'refused', 'BLOCKED_TYPE'],
    ['types of a kind', { types: 'VIDEO/*' }, video, 'refused', 'BLOCKED_TYPE'],
    [
      'a type that is replaced',
      { types: 'video/*', action: 'replace' },
      video,
      'changed',
      'BLOCKED_TYPE',
    ],
    ['another type', { types: 'audio/*' }, video, 'passed', 'clean'],
    ['in signed mail', { action: 'replace' }, signed, 'refused', 'DANGEROUS_EXTENSION'],
    [
      'in signed mail, which is held',
      { action: 'replace', unremovable: 'quarantine' },
      signed,
      'held',
      'DANGEROUS_EXTENSION',
    ],
    ['ambiguous', {}, twoTypes, 'refused', 'AMBIGUOUS_STRUCTURE'],
    [
      'ambiguous, and held',
      { ambiguous: 'quarantine' },
      twoTypes,
      'held',
      'AMBIGUOUS_STRUCTURE',
    ],
    ['ambiguous, and passed', { ambiguous: 'pass' }, twoTypes, 'passed', 'allowed'],
  ]
  for (const [name, options, message, result, reason] of cases) {
    it(name, async () => {
      await sent(options, { message }, (outcome, line) => {
        assert.deepEqual([line.message, line.fields['reason']], [result, reason])
        assert.equal(
          outcome.verdict,
          { refused: 'reject', held: 'quarantine' }[result] ?? 'accept',
        )
        assert.equal(outcome.quarantine !== undefined, result === 'held')
        if (result !== 'refused')
          assert.equal(
            outcome.edits.some(({ type }) => type === 'replbody'),
            result === 'changed',
          )
        // Whatever becomes of it, it is never dropped.
        assert.notEqual(outcome.verdict, 'discard')
      })
    })
  }

  it('refuses with the file and the reason, in ASCII', async () => {
    const message = multipart([
      TEXT,
      part("Content-Type: a/b; name*=utf-8''%E2%80%AE%0D%0Ax.exe"),
    ])
    await sent({ reply: 'Not here' }, { message }, ({ reply }) => {
      assert.match(reply!, /^550 5\.7\.1 Not here: [ -~]*x\.exe: [ -~]+$/)
    })
  })

  it('replaces with a notice, and keeps all other bytes', async () => {
    const notice = 'Gone: {names}. Why: {reasons}.'
    await sent(
      { action: 'replace', notice, noticeName: 'gone.txt' },
      { message: EXE },
      (outcome, line) => {
        const text = outcome.message!.toString()
        assert.match(text, /Gone: a\.exe\. Why: [^\r]*\.\r\n/)
        assert.match(text, /filename="?gone\.txt/)
        assert.ok(text.includes(`--bmixed\r\n${TEXT}\r\n--bmixed\r\n`))
        assert.equal(line.fields['removed'], 1)
      },
    )
  })

  it('changes nothing while it observes, and says what it would do', async () => {
    for (const action of ['refuse', 'replace', 'quarantine'] as const) {
      await sent({ action, observe: true }, { message: EXE }, (outcome, line) => {
        assert.equal(outcome.verdict, 'accept')
        assert.deepEqual(outcome.edits, [])
        assert.match(line.message, /^would be /)
      })
    }
  })

  it('logs some of many findings', async () => {
    const message = multipart([TEXT, ...Array.from({ length: 30 }, (_, i) => file(`${i}.exe`))])
    await sent({}, { message }, (_, line) => {
      assert.equal((line.fields['found'] as string[]).length, 10)
      assert.equal(line.fields['more'], 20)
    })
  })
})

describe('attachments: allow', () => {
  const by = (from: string, results = ''): string =>
    `${results === '' ? '' : `Authentication-Results: ${results}\r\n`}${EXE.replace('a@example.com', from)}`
  const pass = 'mx.example.org; dmarc=pass header.from=example.org'
  const allow = { from: 'build@example.org', extensions: 'exe' }
  const cases: [string, AttachmentsOptions, TestTransaction, string][] = [
    [
      'with a login',
      { allow },
      { authenticated: 'x', message: by('build@example.org') },
      'allowed',
    ],
    ['with DMARC', { allow }, { message: by('build@example.org', pass) }, 'allowed'],
    [
      'of a network',
      { allow, networks: '192.0.2.0/24' },
      { message: by('build@example.org') },
      'allowed',
    ],
    ['without proof', { allow }, { message: by('build@example.org') }, 'DANGEROUS_EXTENSION'],
    [
      'with DMARC of another server',
      { allow },
      { message: by('build@example.org', pass.replace('mx.', 'my.')) },
      'DANGEROUS_EXTENSION',
    ],
    [
      'for another author',
      { allow },
      { authenticated: 'x', message: by('eve@example.org') },
      'DANGEROUS_EXTENSION',
    ],
    [
      'for two authors',
      { allow },
      { authenticated: 'x', message: by('build@example.org, eve@example.org') },
      'DANGEROUS_EXTENSION',
    ],
    [
      'another extension',
      { allow: { ...allow, extensions: 'msi' } },
      { authenticated: 'x', message: by('build@example.org') },
      'DANGEROUS_EXTENSION',
    ],
    [
      'for a reason',
      { allow: { from: 'example.org', reasons: 'DANGEROUS_EXTENSION' } },
      { authenticated: 'x', message: by('build@example.org') },
      'allowed',
    ],
    [
      'for another reason',
      { allow: { from: 'example.org', reasons: 'PROGRAM' } },
      { authenticated: 'x', message: by('build@example.org') },
      'DANGEROUS_EXTENSION',
    ],
    [
      'everything',
      { allow: { from: 'example.org' } },
      { authenticated: 'x', message: by('build@example.org') },
      'allowed',
    ],
    [
      'a program by name and content',
      { allow },
      { authenticated: 'x', message: REAL.replace('a@example.com', 'build@example.org') },
      'allowed',
    ],
    [
      'a hidden extension',
      { allow },
      { authenticated: 'x', message: by('build@example.org').replace('a.exe', 'a.pdf.exe') },
      'DOUBLE_EXTENSION',
    ],
  ]
  for (const [name, options, delivery, reason] of cases) {
    it(name, async () => {
      await sent({ authservId: 'mx.example.org', ...options }, delivery, (_, line) => {
        assert.equal(line.fields['reason'], reason)
      })
    })
  }
})

describe('attachments: mistakes', () => {
  for (const [name, options, text] of [
    ['discard', { action: 'discard' }, /action takes refuse, replace or quarantine/],
    ['an unknown reason', { reasons: { ZIP_ENCRYPT: 'pass' } }, /ZIP_ENCRYPTED/],
    [
      'an unknown action',
      { reasons: { ZIP_ENCRYPTED: 'drop' } },
      /refuse, replace, quarantine or pass/,
    ],
    ['an extension with a star', { addExtensions: '*.exe' }, /an extension, such as exe/],
    ['a type without a slash', { types: ['pdf'] }, /a media type/],
    ['allow without authors', { allow: { extensions: 'exe' } }, /needs from/],
    [
      'both forms of a notice',
      { notice: 'x', noticeFile: 'y' },
      /noticeFile cannot stand beside notice/,
    ],
    [
      'a notice that is not there',
      { noticeFile: join(folder, 'missing') },
      /noticeFile: .* cannot be read \(ENOENT\)/,
    ],
    ['an unknown variable', { notice: '{name}' }, /\{name\} is not a variable/],
    ['a limit of zero', { limits: { depth: 0 } }, /limits\.depth takes a whole number/],
    [
      'an extension that is added and allowed',
      { addExtensions: 'x', allowExtensions: 'x' },
      /allowExtensions\[0\] is also in/,
    ],
  ] as const) {
    it(name, () => {
      assert.throws(
        () => attachments(options as unknown as AttachmentsOptions),
        (error: Error) =>
          error.name === 'UsageError' && (assert.match(error.message, text), true),
      )
    })
  }
})

it('parses what it sends', async () => {
  const outcome = await deliver(attachments({ action: 'replace' }), { message: REAL })
  assert.deepEqual(
    parseMime(outcome.message!).attachments.map(({ filename }) => filename),
    ['WARNING.TXT'],
  )
})
