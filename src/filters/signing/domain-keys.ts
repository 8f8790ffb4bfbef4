/** Keys by their domain, and which of them signs at a time. */
import type { DkimKeySettings } from '../types.ts'
import { readKeyFile, type ChosenKey, type KeyList, type NoKey } from './key-list.ts'
import { SigningKey } from './signing-key.ts'

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

  /** @throws UsageError INVALID_OPTION if a key cannot be read */
  constructor(keys: readonly DkimKeySettings[]) {
    this.all = keys.map((one, i) => {
      const key = new SigningKey(one.domain, one.selector, pemOf(one), sourceOf(one))
      const { notBefore: from = -Infinity, notAfter: until = Infinity } = one
      const timed = { chosen: { key, identity: undefined, rule: `keys[${i}]` }, from, until }
      add(this.#exact, key.domain, timed)
      if (one.subdomains) add(this.#above, key.domain, timed)
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

const sourceOf = ({ file, domain, selector }: DkimKeySettings): string =>
  file ?? `the key ${selector} of ${domain}`

const pemOf = ({ file, privateKey }: DkimKeySettings): string =>
  privateKey ?? readKeyFile(file!, 'the key')
