// The kinds of values that options take. A kind says how a value is written, read, checked and described.
import { MilterError } from '../errors.ts'
import { parseHostAndPort } from '../net/host-port.ts'
import { parseListenAddress } from '../net/listen-address.ts'
import { parseNetwork } from '../net/network.ts'
import { STAGE_NAMES } from '../protocol/stages.ts'
import { Action, ALL_ACTIONS, bitsOf, DataSize } from '../protocol/constants.ts'
import type { Path, Reader } from './mistake.ts'
import { isPlainObject } from './plain-object.ts'
import {
  durationText,
  parseDuration,
  parseSize,
  SIZE_PATTERN,
  sizeText,
  TIME_WITH_UNIT,
} from './units.ts'

/**
 * The kind of value that an option takes. In a program, an option takes values, such as numbers of milliseconds and
 * bytes. On the command line, in the environment and in a configuration, it also takes text, such as `30s` and `64K`.
 */
export interface Kind {
  /** description of the values it takes in a program */
  readonly takes: string
  /** description of the text it takes */
  readonly takesText: string
  /** the placeholder of the value in `--help` */
  readonly placeholder: string
  /** It takes several values: one per flag on the command line, separated by spaces in the environment. */
  readonly list?: true
  /** Says what is wrong with a value, or returns undefined. */
  wrong(value: unknown): Wrong | undefined
  /** Converts text to its value. Other values are returned unchanged, and `wrong` refuses them. */
  read(given: unknown): unknown
  /** The setting that a valid value stands for. Without it, that is the value itself. */
  setting?(value: unknown): unknown
  /** Formats a default as you would write it. */
  show(value: unknown): string
  /** the TypeScript type in a program, in a configuration if that takes more, and of the setting if that is another */
  readonly type: string
  readonly configType?: string
  readonly settingType?: string
  /** JSON Schema of what a configuration takes */
  readonly schema: object
  /** Of a value with parts: reads and checks all of them, and reports each mistake. It replaces `read` and `wrong`. */
  readParts?(given: unknown, path: Path, reader: Reader): unknown
  /** A number in a text file is taken as it is written: `mode: 400` means octal digits. */
  readonly asWritten?: true
  /**
   * What is wrong with how a value is written in a text file, if a program could give it: a time without a unit. The
   * command line and the environment take it.
   */
  wrongInFile?(given: unknown): Wrong | undefined
  /** No message shows the value. */
  readonly secret?: true
  /** A value of a secret kind that gives nothing away, such as an address without a password. */
  isPublic?(value: unknown): boolean
  /** The value is the path of a file with a secret. */
  readonly holdsSecret?: true
  /** The value is code, so a text file cannot have it. */
  readonly code?: true
  /**
   * The value is a path: in a text file, a relative one begins at the folder of that file. `read`: the file must be
   * there when the configuration is loaded.
   */
  readonly isPath?: 'read' | 'any'
}

/** What is wrong with a value. */
export interface Wrong {
  /** the part that is wrong, if it is not the whole value */
  readonly value?: unknown
  /** the name of that part in the option */
  readonly at?: string
  /** what that part takes, if that differs from what the kind takes */
  readonly takes?: string
  /** the valid names, if the value is an unknown name */
  readonly known?: readonly string[]
  /** a better explanation than `takes` */
  readonly reason?: string
}

export const NOTHING_MORE: Wrong = {}
const same = (given: unknown): unknown => given
const wrongUnless = (right: boolean): Wrong | undefined => (right ? undefined : NOTHING_MORE)
const asText =
  (parse: (text: string) => unknown) =>
  (given: unknown): unknown =>
    typeof given === 'string' ? (parse(given) ?? given) : given

/** The longest time that a timer of Node can wait, in milliseconds. A longer timer fires at once. */
export const MAX_TIMER = 2_147_483_647

/** The bounds of a number. Without `to` there is no maximum. */
interface Bounds {
  readonly from?: number
  readonly to?: number
}

export const isWhole = (value: unknown, { from = 0, to }: Bounds): boolean =>
  Number.isSafeInteger(value) &&
  (value as number) >= from &&
  (value as number) <= (to ?? Infinity)

export const wholeNumberForm = ({ from = 0, to }: Bounds): string =>
  to === undefined ? `a whole number, ${from} or more` : `a whole number from ${from} to ${to}`

const integer = ({ from = 0, to = Number.MAX_SAFE_INTEGER }: Bounds): object => ({
  type: 'integer',
  minimum: from,
  maximum: to,
})
const text = (pattern: string): object => ({ type: 'string', pattern })
/** Regular expression for one of several words in upper or lower case. JSON Schema has no flag for it. */
const inAnyCase = (all: readonly string[]): string =>
  `(?:${all.map((word) => word.replaceAll(/[A-Z]/g, (c) => `[${c}${c.toLowerCase()}]`)).join('|')})`

/** A whole number. */
export function count(bounds: Bounds): Kind {
  const takes = wholeNumberForm(bounds)
  return {
    takes,
    takesText: takes,
    placeholder: 'number',
    wrong: (value) => wrongUnless(isWhole(value, bounds)),
    read: asText(digits),
    show: String,
    type: 'number',
    schema: { anyOf: [integer(bounds), text(DIGITS)] },
  }
}

const DIGITS = '^\\d{1,15}$'
const digits = (given: string): number | undefined =>
  new RegExp(DIGITS).test(given) ? Number(given) : undefined

export function bytes(bounds: Bounds): Kind {
  return {
    ...count(bounds),
    takesText: `bytes (${sizeText(bounds.from ?? 0)} or more), or a size such as 64K, 16M or 1G`,
    placeholder: 'bytes',
    read: asText(parseSize),
    show: (value) => sizeText(value as number),
    configType: 'Size',
    schema: { anyOf: [integer(bounds), text(SIZE_PATTERN)] },
  }
}

export function milliseconds({ from }: { readonly from: 0 | 1 }): Kind {
  const bounds = { from, to: MAX_TIMER }
  return {
    ...count(bounds),
    takesText: `a time such as 500ms, 30s, 5m or 1h${from === 0 ? '' : ', 1ms or more'}, at most ${Math.floor(MAX_TIMER / 3_600_000)}h`,
    placeholder: 'time',
    read: asText(parseDuration),
    wrongInFile: withoutUnit,
    show: (value) => durationText(value as number),
    configType: 'Duration',
    schema: timeSchema(bounds),
  }
}

/**
 * What a text file takes. A number alone is seconds in the configuration of one program, minutes or milliseconds in
 * that of another, so it is refused there. Nothing is nothing in all of them.
 */
export function withoutUnit(given: unknown): Wrong | undefined {
  const number =
    typeof given === 'number' || (typeof given === 'string' && /^\d+$/.test(given))
      ? Number(given)
      : 0
  return Number.isInteger(number) && number > 0
    ? { takes: 'a time with a unit', reason: `write ${number}s for seconds, or ${number}ms` }
    : undefined
}

/** JSON Schema of a time in a text file. */
export const timeSchema = ({ from = 0 }: Bounds): object => ({
  anyOf: [...(from === 0 ? [{ const: 0 }] : []), text(TIME_WITH_UNIT)],
})

/** One time for all stages, or one for each stage. The default has an entry for each stage that differs. */
export function byStage(time: Kind): Kind {
  const stages: readonly string[] = STAGE_NAMES
  return {
    ...time,
    wrong(value) {
      // The value is used for every stage, so the error names the first one.
      if (!isPlainObject(value)) return time.wrong(value) && { at: stages[0]! }
      for (const [stage, one] of Object.entries(value)) {
        if (!stages.includes(stage)) {
          return { value: stage, takes: `stages: ${stages.join(', ')}`, known: stages }
        }
        if (one !== undefined && time.wrong(one)) return { at: stage, value: one }
      }
      return undefined
    },
    read: (given) =>
      isPlainObject(given)
        ? Object.fromEntries(
            Object.entries(given).map(([stage, one]) => [stage, time.read(one)]),
          )
        : time.read(given),
    wrongInFile: (given) => {
      if (!isPlainObject(given)) return time.wrongInFile?.(given)
      for (const [stage, one] of Object.entries(given)) {
        const wrong = time.wrongInFile?.(one)
        if (wrong !== undefined) return { ...wrong, at: stage, value: one }
      }
      return undefined
    },
    show: (value) =>
      Object.entries(value as object)
        .map(([stage, one]) => `${stage === 'others' ? '' : `${stage} `}${time.show(one)}`)
        .join(', '),
    type: 'number | Partial<Record<Stage, number>>',
    configType: 'Duration | Partial<Record<Stage, Duration>>',
    schema: {
      anyOf: [
        ...(time.schema as { anyOf: object[] }).anyOf,
        {
          type: 'object',
          properties: Object.fromEntries(stages.map((stage) => [stage, time.schema])),
          additionalProperties: false,
        },
      ],
    },
  }
}

/** One of several words. */
export function choice(words: readonly string[], name?: string, placeholder = 'verdict'): Kind {
  const takes = `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
  return {
    takes,
    takesText: takes,
    placeholder,
    wrong: (value) => (words.includes(value as string) ? undefined : { known: words }),
    read: same,
    show: String,
    type: name ?? words.map((word) => `'${word}'`).join(' | '),
    schema: { enum: words },
  }
}

/** A number, or `auto`. */
export function countOrAuto(bounds: Bounds, auto: string): Kind {
  const takes = `${wholeNumberForm(bounds)}, or auto for ${auto}`
  return {
    ...count(bounds),
    takes,
    takesText: takes,
    wrong: (value) => wrongUnless(value === 'auto' || isWhole(value, bounds)),
    type: `number | 'auto'`,
    schema: { anyOf: [integer(bounds), text(DIGITS), { const: 'auto' }] },
  }
}

const DATA_SIZES: Readonly<Record<string, DataSize>> = {
  '64K': DataSize.K64,
  '256K': DataSize.K256,
  '1M': DataSize.M1,
}
const dataSizes: readonly unknown[] = Object.values(DATA_SIZES)

/** The three sizes of frame data that can be negotiated. Each number is one less than its name says. */
export const dataSize: Kind = {
  takes: dataSizes.join(', '),
  takesText: '64K, 256K or 1M',
  placeholder: 'bytes',
  wrong: (value) => wrongUnless(dataSizes.includes(value)),
  read: asText((given) => DATA_SIZES[given.toUpperCase()] ?? digits(given)),
  show: (value) => Object.keys(DATA_SIZES)[dataSizes.indexOf(value)]!,
  type: 'DataSize',
  configType: `DataSize | ${Object.keys(DATA_SIZES)
    .map((name) => `'${name}'`)
    .join(' | ')}`,
  schema: {
    anyOf: [
      { enum: [...dataSizes, ...Object.keys(DATA_SIZES)] },
      text(`^(?:${inAnyCase(Object.keys(DATA_SIZES))}|0*(?:${dataSizes.join('|')}))$`),
    ],
  },
}

const ACTION_NAMES: readonly string[] = Object.keys(Action)
const ACTION_WORDS: Readonly<Record<string, number>> = { ALL: ALL_ACTIONS, NONE: 0, ...Action }
const actionNames = `some of ${ACTION_NAMES.join(', ')}`
const bitsOfActions = (given: unknown): unknown =>
  (Array.isArray(given) ? bitsOf(ACTION_WORDS, given) : undefined) ?? given

const ACTION_WORD = inAnyCase(Object.keys(ACTION_WORDS))

/** What a filter may do to a message, as names or bits. */
export const actions: Kind = {
  ...count({ to: ALL_ACTIONS }),
  takes: `${wholeNumberForm({ to: ALL_ACTIONS })}, or a list of ${actionNames}`,
  takesText: `all, none, or ${actionNames}, with commas between them`,
  placeholder: 'list',
  wrong(value) {
    if (isWhole(bitsOfActions(value), { to: ALL_ACTIONS })) return undefined
    if (!Array.isArray(value)) return NOTHING_MORE
    const unknown: unknown = value.find((name) => bitsOf(Action, [name]) === undefined)
    return { value: unknown, known: ACTION_NAMES }
  },
  read: (given) => {
    const bits = bitsOfActions(typeof given === 'string' ? given.split(/[\s,]+/) : given)
    return typeof bits === 'number' ? bits : given
  },
  setting: bitsOfActions,
  show: (value) => (value === ALL_ACTIONS ? 'all' : 'none'),
  type: 'number | readonly (keyof typeof Action)[]',
  settingType: 'number',
  schema: {
    anyOf: [
      integer({ to: ALL_ACTIONS }),
      {
        type: 'array',
        items: { anyOf: [{ enum: ACTION_NAMES }, text(`^${ACTION_WORD}$`)] },
      },
      text(`^${ACTION_WORD}(?:[\\s,]+${ACTION_WORD})*$`),
    ],
  },
}

const MODE = '^0?[0-7]{1,3}$'

/** Permission bits. */
export const mode: Kind = {
  ...count({ to: 0o777 }),
  takesText: 'octal digits, such as 0660',
  placeholder: 'octal',
  asWritten: true,
  read: asText((given) =>
    new RegExp(MODE).test(given) ? Number.parseInt(given, 8) : undefined,
  ),
  configType: 'number | string',
  schema: { anyOf: [integer({ to: 0o777 }), text(MODE)] },
}

const ACCOUNT = '^[^\\0\\s]+(?: [^\\0\\s]+)*$'
/** The highest id. The next number is -1, which leaves a file and a process as they are (chown(2), setresuid(2)). */
const MAX_ACCOUNT = 4_294_967_294

/** A user or a group. */
export const account: Kind = {
  takes: `a name, or a number from 0 to ${MAX_ACCOUNT}`,
  takesText: `a name, or a number from 0 to ${MAX_ACCOUNT}`,
  placeholder: 'name',
  wrong: (value) => {
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
    return wrongUnless(
      typeof number === 'string'
        ? new RegExp(ACCOUNT).test(number)
        : isWhole(number, { to: MAX_ACCOUNT }),
    )
  },
  read: same,
  show: String,
  type: 'string | number',
  schema: { anyOf: [integer({ to: MAX_ACCOUNT }), text(ACCOUNT)] },
}

const PATH = '^[^\\0]+$'
const path = (what: string): Kind => ({
  takes: `the path of a ${what}`,
  takesText: `the path of a ${what}`,
  placeholder: 'path',
  wrong: (value) => wrongUnless(typeof value === 'string' && new RegExp(PATH).test(value)),
  read: same,
  show: String,
  type: 'string',
  schema: text(PATH),
  isPath: 'any',
})
export const file: Kind = path('file')
/** A file that is read at the start. */
export const inputFile: Kind = { ...file, isPath: 'read' }

/** The path of a file with a secret, which not everybody should read. */
export const secretFile: Kind = { ...inputFile, holdsSecret: true }
export const directory: Kind = path('directory')

/** One entry or several. Each must be valid. */
function several(
  takes: string,
  placeholder: string,
  wrongEntry: (entry: unknown) => Wrong | undefined,
  items: object = { type: 'string' },
): Kind {
  return {
    takes,
    takesText: `${takes}; you can give it more than once`,
    placeholder,
    list: true,
    wrong(value) {
      const entries = read(value)
      if (!Array.isArray(entries) || entries.length === 0) return NOTHING_MORE
      for (const entry of entries) {
        const wrong = wrongEntry(entry)
        if (wrong !== undefined) return { value: entry, ...wrong }
      }
      return undefined
    },
    read,
    show: String,
    type: 'string | readonly string[]',
    schema: { anyOf: [items, { type: 'array', items, minItems: 1 }] },
  }
  function read(given: unknown): unknown {
    return typeof given === 'string' ? [given] : given
  }
}

/** Addresses to listen on. */
export const addresses: Kind = several(
  'inet:PORT@HOST, inet6:PORT@HOST, unix:PATH or fd:N',
  'address',
  (entry) => {
    try {
      parseListenAddress(entry as string)
      return undefined
    } catch (error) {
      if (!(error instanceof MilterError)) throw error
      // The error says how the address should be written.
      return { reason: error.message }
    }
  },
)

export const NETWORK_FORM =
  'IP addresses and networks, such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32'
const isNetwork = (entry: unknown): boolean =>
  typeof entry === 'string' && parseNetwork(entry) !== undefined

export const networks: Kind = several(NETWORK_FORM, 'network', (entry) =>
  wrongUnless(isNetwork(entry)),
)

/** An entry of `proxies` that stands for unix sockets. */
export const UNIX = 'unix'
export const PROXIES_FORM: string = `${NETWORK_FORM}; or ${UNIX} for unix sockets`

export const proxies: Kind = several(PROXIES_FORM, 'network', (entry) =>
  wrongUnless(entry === UNIX || isNetwork(entry)),
)

/** A name that stands for the recipients that were not refused, not for a header field. */
export const RECIPIENTS = 'recipients'
/** Description of the names of message content. */
export const CONTENT_FORM: string = `${RECIPIENTS}, or the name of a header field`
/** Names of header fields: RFC 5322, section 3.6.8. */
export const CONTENT_NAME: RegExp = /^[!-9;-~]{1,200}$/

export const content: Kind = several(
  CONTENT_FORM,
  'name',
  (entry) =>
    typeof entry === 'string' && CONTENT_NAME.test(entry)
      ? undefined
      : // The error shows the whole list, because a name alone may be hard to find in it.
        { value: undefined },
  text(CONTENT_NAME.source),
)

/** An address for HTTP. */
export const httpAddress: Kind = {
  takes: 'HOST:PORT, or just a port on the loopback address',
  takesText: 'HOST:PORT, or just a port on the loopback address',
  placeholder: 'host:port',
  wrong: (value) =>
    wrongUnless(typeof value === 'string' && parseHostAndPort(value) !== undefined),
  read: same,
  show: String,
  type: 'string',
  schema: { type: 'string' },
}
