/** Keys by their domain, and which of them signs at a time. */
import { UsageError } from '../../errors.ts'
import { invalidOption } from '../../options/invalid-option.ts'
import { checkNames } from '../../options/validate.ts'
import { readKeyFile, type ChosenKey, type KeyList, type NoKey } from './key-list.ts'
import { SigningKey } from './signing-key.ts'

/**
 * A private key of a domain. Keys of different algorithms all sign, such as an RSA and an Ed25519 key. Of several keys
 * with one algorithm, the one with the latest `notBefore` that has come signs.
 */
export interface DkimKey {
  readonly domain: string
  readonly selector: string
  /** path of a file with the private key in PEM */
  readonly file?: string
  /** the private key itself, in PEM */
  readonly privateKey?: string
  /** whether it also signs for subdomains that have no key of their own; true by default */
  readonly subdomains?: boolean
  /**
   * when it begins to sign: a Date, or a text such as `2027-01-15T03:00:00Z` or `2027-01-15` (midnight UTC). Its record
   * has to be published before. By default it signs at once
   */
  readonly notBefore?: Date | string
  /** when it ends to sign, in the same form. By default it signs until a newer key does */
  readonly notAfter?: Date | string
}

const NAMES = [
  'domain',
  'selector',
  'file',
  'privateKey',
  'subdomains',
  'notBefore',
  'notAfter',
]

/** A key and the time in which it signs, in Unix milliseconds. */
interface TimedKey {
  readonly chosen: ChosenKey
  readonly from: number
  /** no longer at this time */
  readonly until: number
}

/** Keys by their domain: those of the domain itself, or of the nearest domain above it. */
export class DomainKeys implements KeyList {
  readonly all: readonly SigningKey[]
  readonly #exact = new Map<string, TimedKey[]>()
  readonly #above = new Map<string, TimedKey[]>()

  /** @throws UsageError INVALID_OPTION */
  constructor(keys: readonly DkimKey[]) {
    const given: unknown = keys
    if (!Array.isArray(given)) {
      throw invalidOption('keys', given, 'a list of { domain, selector, file }')
    }
    this.all = keys.map((one, i) => {
      checkNames(`keys[${i}]`, one, NAMES)
      const key = new SigningKey(one.domain, one.selector, pemOf(one), sourceOf(one))
      const from = timeOf(`keys[${i}].notBefore`, one.notBefore) ?? -Infinity
      const until = timeOf(`keys[${i}].notAfter`, one.notAfter) ?? Infinity
      if (until <= from) {
        throw invalidOption(`keys[${i}].notAfter`, one.notAfter, 'a time after notBefore')
      }
      const timed = { chosen: { key, identity: undefined }, from, until }
      add(this.#exact, key.domain, timed)
      if (one.subdomains !== false) add(this.#above, key.domain, timed)
      return key
    })
  }

  keysFor(_local: string, domain: string, now: number): readonly ChosenKey[] | NoKey {
    const keys = this.#exact.get(domain) ?? this.#keysAbove(domain)
    if (keys === undefined) return 'no-key'
    const active = activeAt(now, keys)
    return active.length === 0 ? 'no-active-key' : active
  }

  #keysAbove(domain: string): readonly TimedKey[] | undefined {
    for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
      const keys = this.#above.get(domain.slice(dot + 1))
      if (keys !== undefined) return keys
    }
    return undefined
  }
}

/** For each algorithm the newest of the keys whose time it is; several if they are of the same age. */
function activeAt(now: number, keys: readonly TimedKey[]): readonly ChosenKey[] {
  const active = keys.filter(({ from, until }) => from <= now && now < until)
  const newest = new Map<string, number>()
  for (const { chosen, from } of active) {
    const { algorithm } = chosen.key
    newest.set(algorithm, Math.max(newest.get(algorithm) ?? -Infinity, from))
  }
  return active
    .filter(({ chosen, from }) => from === newest.get(chosen.key.algorithm))
    .map(({ chosen }) => chosen)
}

function add(map: Map<string, TimedKey[]>, domain: string, key: TimedKey): void {
  const list = map.get(domain)
  if (list === undefined) map.set(domain, [key])
  else list.push(key)
}

/** With a time zone, so that it is the same on each machine. */
const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/

function timeOf(option: string, given: Date | string | undefined): number | undefined {
  if (given === undefined) return undefined
  const time =
    given instanceof Date
      ? given.getTime()
      : typeof given === 'string' && TIME.test(given)
        ? Date.parse(given)
        : Number.NaN
  if (Number.isNaN(time)) {
    throw invalidOption(
      option,
      given,
      'a Date, a day such as 2027-01-15, or a time with its zone such as 2027-01-15T03:00:00Z',
    )
  }
  return time
}

const sourceOf = ({ file, domain, selector }: DkimKey): string =>
  file ?? `the key ${selector} of ${domain}`

function pemOf(key: DkimKey): string {
  const { file, privateKey } = key
  if ((file === undefined) === (privateKey === undefined)) {
    throw new UsageError(
      'INVALID_OPTION',
      `DKIM: ${sourceOf(key)} needs either file or privateKey`,
    )
  }
  return privateKey ?? readKeyFile(file!, 'the key')
}
