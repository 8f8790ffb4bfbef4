/** The options of `scan`. */
import { bytes, choice, inputFile, NOTHING_MORE, type Kind } from '../../options/kinds.ts'
import { listOf } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { duration, line, yesNo } from '../../options/value-kinds.ts'
import { parseHostAndPort } from '../../net/host-port.ts'
import { commonFields } from '../common-fields.ts'
import type { ScanOptions, ScanSettings } from '../types.ts'

const FORM = 'HOST:PORT, such as 127.0.0.1:3310, or the path of a unix socket'

/** Where a daemon listens. */
const daemon: Kind = {
  ...line,
  takes: FORM,
  takesText: FORM,
  placeholder: 'address',
  wrong: (value) =>
    typeof value === 'string' &&
    (value.startsWith('/') || (value.includes(':') && parseHostAndPort(value) !== undefined))
      ? undefined
      : NOTHING_MORE,
}

/** A score of a spam filter. */
const score: Kind = {
  takes: 'a number, such as 5 or 7.5',
  takesText: 'a number, such as 5 or 7.5',
  placeholder: 'score',
  wrong: (value) =>
    typeof value === 'number' && Math.abs(value) <= 10_000 ? undefined : NOTHING_MORE,
  read: (given) =>
    typeof given === 'string' && /^-?\d+(?:\.\d+)?$/.test(given) ? Number(given) : given,
  show: String,
  type: 'number',
  schema: { type: 'number' },
}

export const SCAN: Shape<ScanOptions, ScanSettings> = {
  name: 'scan',
  type: 'Scan',
  text: 'asks clamd, spamd or rspamd about each message, and tags, holds or refuses it',
  oneOf: ['clamd', 'spamd', 'rspamd'],
  fields: {
    clamd: {
      kind: listOf(daemon),
      text: 'where clamd listens; the next one is asked if one fails',
    },
    spamd: { kind: listOf(daemon), text: 'where spamd of SpamAssassin listens' },
    rspamd: {
      kind: listOf(daemon),
      text: 'where the normal worker of rspamd listens, such as port 11333',
    },
    infected: {
      kind: choice(['refuse', 'quarantine', 'tag']),
      default: 'refuse',
      text: 'what becomes of a message in which clamd finds something',
    },
    tagAt: {
      kind: score,
      text: 'score from which a message is tagged; that of the scanner by default',
    },
    quarantineAt: {
      kind: score,
      text: 'score from which a message is held; by default none is',
    },
    refuseAt: {
      kind: score,
      text: 'score from which a message is refused; by default none is',
    },
    followActions: {
      kind: yesNo,
      default: true,
      text: 'refuse or defer what rspamd wants refused or deferred, with all its other thresholds',
    },
    followFields: {
      kind: yesNo,
      default: true,
      text: 'remove and add the header fields that rspamd wants',
    },
    user: { kind: line, text: 'the user whose preferences spamd takes' },
    passwordFile: {
      kind: inputFile,
      text: 'a file with the password of rspamd in its first line',
    },
    maxSize: {
      kind: bytes({ from: 1_024 }),
      default: 26_214_400,
      text: 'a larger message is not scanned; it has to fit into the limit of the scanner too',
    },
    tooLarge: {
      kind: choice(['pass', 'quarantine', 'refuse']),
      default: 'pass',
      text: 'what becomes of a message that is larger',
    },
    onFailure: {
      kind: choice(['tempfail', 'pass']),
      default: 'tempfail',
      text: 'what becomes of a message if no scanner gives a result',
    },
    deadline: {
      kind: duration({ from: 50, to: 240_000 }),
      default: 60_000,
      text: 'time for all scanners together',
    },
    ...commonFields('scan'),
  },
  check(settings, report) {
    const { clamd, spamd, rspamd, tagAt, quarantineAt, refuseAt } = settings
    const only = (names: readonly (keyof ScanSettings)[], of: string, there: boolean): void => {
      if (there) return
      for (const name of names) {
        if (settings[name] === undefined) continue
        report({ path: [name], atName: true, text: `is only for ${of}: take it out` })
      }
    }
    only(['tagAt', 'quarantineAt', 'refuseAt'], 'spamd and rspamd', clamd === undefined)
    only(['user'], 'spamd', spamd !== undefined)
    only(['passwordFile'], 'rspamd', rspamd !== undefined)
    const steps = [tagAt, quarantineAt, refuseAt].filter((one) => one !== undefined)
    if (steps.some((one, i) => i > 0 && one < steps[i - 1]!)) {
      report({ path: [], text: 'needs tagAt, quarantineAt and refuseAt in rising order' })
    }
  },
}
