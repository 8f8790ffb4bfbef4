import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import {
  defectsOf,
  KNOWN_DEFECTS,
  type DefectName,
} from '../../src/milter/mail-server/known-defects.ts'
import { mailServer } from '../../src/milter/mail-server/mail-server.ts'
import { sendmailRules } from '../../src/mta/models/versions.ts'
import { sourcePath } from '../conformance/support/program.ts'

const MERGES: DefectName = 'sendmail-merges-additions'
const EARLY: DefectName = 'postfix-early-accept'

/** What is told in `v`, how the server is called in the log, and its defects. */
const SERVERS: readonly [told: string, label: string, defects: readonly DefectName[]][] = [
  ['Postfix 2.3.0', 'Postfix 2.3.0', [EARLY]],
  ['Postfix 3.5.25', 'Postfix 3.5.25', [EARLY]],
  ['Postfix 3.7.11', 'Postfix 3.7.11', [EARLY]],
  ['Postfix 3.7.21', 'Postfix 3.7.21', [EARLY]],
  ['Postfix 3.7.22', 'Postfix 3.7.22', []],
  ['Postfix 3.8.19', 'Postfix 3.8.19', [EARLY]],
  ['Postfix 3.8.20', 'Postfix 3.8.20', []],
  ['Postfix 3.9.13', 'Postfix 3.9.13', [EARLY]],
  ['Postfix 3.9.14', 'Postfix 3.9.14', []],
  ['Postfix 3.10.2', 'Postfix 3.10.2', [EARLY]],
  ['Postfix 3.10.12', 'Postfix 3.10.12', [EARLY]],
  ['Postfix 3.10.13', 'Postfix 3.10.13', []],
  ['Postfix 3.11-RC1', 'Postfix 3.11-RC1', [EARLY]],
  ['Postfix 3.11.5', 'Postfix 3.11.5', [EARLY]],
  ['Postfix 3.11.6', 'Postfix 3.11.6', []],
  ['Postfix 3.11.10', 'Postfix 3.11.10', []],
  ['Postfix 3.12.0', 'Postfix 3.12.0', []],
  ['Postfix 3.12-RC1', 'Postfix 3.12-RC1', []],
  ['Postfix 4.0.0', 'Postfix 4.0.0', []],
  // The day of a snapshot counts, not the release that is to come.
  ['Postfix 3.12-20260101', 'Postfix 3.12-20260101', [EARLY]],
  ['Postfix 3.12-20260802-nonprod', 'Postfix 3.12-20260802-nonprod', [EARLY]],
  ['Postfix 3.12-20260803', 'Postfix 3.12-20260803', []],
  ['Postfix 3.13-20270101', 'Postfix 3.13-20270101', []],
  ['Postfix', 'Postfix of an unknown version', [EARLY]],
  ['Postfix devel', 'Postfix of an unknown version', [EARLY]],
  ['Postfix 4', 'Postfix of an unknown version', [EARLY]],
  ['The Postfix program 3.11.6', 'Postfix of an unknown version', [EARLY]],
  ['postfix 3.11.6', 'Postfix 3.11.6', []],
  ['8.15.2', 'Sendmail 8.15.2', []],
  ['8.17.1.9', 'Sendmail 8.17.1.9', []],
  ['8.18.1', 'Sendmail 8.18.1', []],
  ['8.18.1.9', 'Sendmail 8.18.1.9', []],
  ['8.18.2', 'Sendmail 8.18.2', [MERGES]],
  ['8.18.2/8.18.2', 'Sendmail 8.18.2/8.18.2', [MERGES]],
  ['8.18.10', 'Sendmail 8.18.10', [MERGES]],
  ['8.19.0', 'Sendmail 8.19.0', [MERGES]],
  // Renamed, or another program.
  ['Mailer 3.11.6', 'Mailer 3.11.6', [MERGES, EARLY]],
  ['8.18', '8.18', [MERGES, EARLY]],
  ['9.0.0', '9.0.0', [MERGES, EARLY]],
  ['', 'unknown', [MERGES, EARLY]],
]

const named = (told: string, hasIfName = false): [string, readonly DefectName[]] => {
  const server = mailServer(told, hasIfName)
  return [server.label, [...defectsOf(server)]]
}

describe('known defects of mail servers', () => {
  for (const [told, label, defects] of SERVERS) {
    it(`${told || 'nothing told'}: ${defects.join(' ') || 'none'}`, () => {
      assert.deepEqual(named(told), [label, defects])
    })
  }

  it('are also recognised by if_name, which only Sendmail sends', () => {
    assert.deepEqual(named('', true), ['Sendmail of an unknown version', [MERGES]])
    assert.deepEqual(named('8.18.1', true), ['Sendmail 8.18.1', []])
    assert.deepEqual(named('Postfix 3.11.6', true), ['Postfix 3.11.6', []])
  })

  it('of a server that says anything, are assumed at once', () => {
    for (const told of [
      'Postfix '.repeat(9_999),
      'Postfix 1.'.repeat(9_999),
      '8.'.repeat(9_999),
    ])
      assert.ok(mailServer(told, false).label.length < 100)
  })

  it('are those of the models', () => {
    for (const version of ['8.17', '8.18.1', '8.18.2'] as const) {
      const { release, joinsRecipientFields } = sendmailRules(version)
      assert.equal(named(release)[1].includes(MERGES), joinsRecipientFields)
    }
  })

  it('are in docs/running.md, with the versions to have', () => {
    const document = readFileSync(sourcePath('docs', 'running.md'), 'utf8')
    for (const { name, server, fixed } of KNOWN_DEFECTS) {
      const cells = [`\`${name}\``, server === 'postfix' ? 'Postfix' : 'Sendmail']
      const row = [...cells, fixed.join(', ') || 'none yet'].join(String.raw` +\| `)
      assert.match(document, new RegExp(`^\\| ${row}`, 'm'))
    }
  })

  it('are in docs/protocol.md, with their versions', () => {
    const document = readFileSync(sourcePath('docs', 'protocol.md'), 'utf8')
    const rows = document
      .split('\n')
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .filter((cells) => KNOWN_DEFECTS.some(({ name }) => cells[1] === `\`${name}\``))
    assert.deepEqual(
      rows.map((cells) => cells.slice(1, -1)),
      KNOWN_DEFECTS.map(({ name, server, since, fixed, what, instead, source }) => [
        `\`${name}\``,
        server === 'postfix' ? 'Postfix' : 'Sendmail',
        since === undefined ? 'all before the fix' : `from ${since} on`,
        fixed.join(', ') || 'none yet',
        what,
        instead,
        source,
      ]),
    )
  })
})
