// Kinds of single values that ready-made filters take, in addition to those of kinds.ts.
import { parseNetwork } from '../net/network.ts'
import {
  NETWORK_FORM,
  NOTHING_MORE,
  timeSchema,
  withoutUnit,
  type Kind,
  type Wrong,
} from './kinds.ts'
import { durationText, parseDuration } from './units.ts'

const DOMAIN_FORM = 'a domain, such as example.org (of other letters its form with xn--)'

const same = (given: unknown): unknown => given

/** A kind of text. */
function textKind(takes: string, placeholder: string, pattern: RegExp): Kind {
  return {
    takes,
    takesText: takes,
    placeholder,
    wrong: (value) =>
      typeof value === 'string' && pattern.test(value) ? undefined : NOTHING_MORE,
    read: same,
    show: String,
    type: 'string',
    schema: { type: 'string', pattern: pattern.source },
  }
}

/** Text of one line that is not empty. */
export const line: Kind = textKind('text in one line', 'text', /^[^\0\r\n]+$/)

/** Text of any length, also of several lines. */
export const text: Kind = textKind('text', 'text', /^[^\0]*$/)

/** Text that only the reader of the configuration may see. A message about it never shows it. */
export const secret: Kind = { ...text, takes: 'a secret', takesText: 'a secret', secret: true }

/** The name of a header field: RFC 5322, section 3.6.8. */
export const fieldName: Kind = textKind(
  'the name of a header field, such as Subject',
  'name',
  /^[!-9;-~]{1,200}$/,
)

/** RFC 1123, section 2.1; underscores as in RFC 8552. */
const LABEL = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'

/** A name in DNS, also one that is only a part of it. */
export const dnsName: Kind = textKind(
  'a name that DNS can have',
  'name',
  new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`),
)

export const domain: Kind = {
  ...dnsName,
  takes: DOMAIN_FORM,
  takesText: DOMAIN_FORM,
  placeholder: 'domain',
  setting: (value) => (value as string).toLowerCase(),
}

/** A domain, or with a dot before it all domains below it. */
export const domainPattern: Kind = {
  ...textKind(
    'a domain, such as example.org, or .example.org for all domains below it',
    'domain',
    new RegExp(`^(?=.{1,254}$)\\.?${LABEL}(?:\\.${LABEL})*$`),
  ),
  setting: (value) => (value as string).toLowerCase(),
}

export const network: Kind = {
  ...textKind(NETWORK_FORM, 'network', /./),
  wrong: (value) =>
    typeof value === 'string' && parseNetwork(value) !== undefined ? undefined : NOTHING_MORE,
  schema: { type: 'string' },
}

/** true or false. */
export const yesNo: Kind = {
  takes: 'true or false',
  takesText: 'true or false',
  placeholder: 'true|false',
  wrong: (value): Wrong | undefined =>
    typeof value === 'boolean'
      ? undefined
      : typeof value === 'string' && /^(?:yes|no|on|off|y|n)$/i.test(value)
        ? { takes: `true or false (${value} is only text)` }
        : NOTHING_MORE,
  read: (given) => (given === 'true' ? true : given === 'false' ? false : given),
  show: String,
  type: 'boolean',
  schema: { enum: [true, false, 'true', 'false'] },
}

/** A hundred years. */
const MAX_DURATION = 36_525 * 86_400_000

/** A time that is not waited for, such as 35 days of a whitelist, so it may be longer than a timer can be. */
export function duration({
  from = 1,
  to = MAX_DURATION,
}: { readonly from?: number; readonly to?: number } = {}): Kind {
  return {
    takes: `milliseconds from ${from} to ${to}`,
    takesText: `a time such as 30s, 5m, 4h or 35d${from > 1 ? `, ${durationText(from)} or more` : ''}${to < MAX_DURATION ? `, at most ${durationText(to)}` : ''}`,
    placeholder: 'time',
    wrong: (value) =>
      Number.isSafeInteger(value) && (value as number) >= from && (value as number) <= to
        ? undefined
        : NOTHING_MORE,
    read: (given) => (typeof given === 'string' ? (parseDuration(given) ?? given) : given),
    wrongInFile: withoutUnit,
    show: (value) => durationText(value as number),
    type: 'number',
    configType: 'Duration',
    schema: timeSchema({ from }),
  }
}

/** A time that a filter waits for something. */
export const wait: Kind = duration({ from: 1, to: 24 * 86_400_000 })

/** A function or another object of a program, with its TypeScript type. A text file cannot have it. */
export function code(type: string): Kind {
  return {
    takes: 'a function',
    takesText: 'a function, which only a module can give',
    placeholder: 'function',
    wrong: (value) => (typeof value === 'function' ? undefined : NOTHING_MORE),
    read: same,
    show: () => '',
    type: `(${type})`,
    schema: {},
    code: true,
  }
}

/** A table with a kind before its path, as Postfix and OpenDKIM write it: `refile:/etc/opendkim/signing`. */
export const table: Kind = {
  ...line,
  takes: 'the path of a table',
  takesText: 'the path of a table',
  placeholder: 'path',
  isPath: 'read',
}

/** With a time zone, so that it is the same on each machine. */
const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/
const TIME_FORM =
  'a day such as 2027-01-15, or a time with its zone such as 2027-01-15T03:00:00Z'

function timeOf(given: unknown): number {
  if (given instanceof Date) return given.getTime()
  return typeof given === 'string' && TIME.test(given) ? Date.parse(given) : Number.NaN
}

/** A point in time. A day begins at midnight UTC. */
export const time: Kind = {
  takes: `a Date, ${TIME_FORM}`,
  takesText: TIME_FORM,
  placeholder: 'time',
  wrong: (value) => (Number.isNaN(timeOf(value)) ? NOTHING_MORE : undefined),
  read: same,
  setting: timeOf,
  show: String,
  type: '(Date | string)',
  configType: '(Date | string)',
  settingType: 'number',
  schema: { type: 'string', pattern: TIME.source },
}
