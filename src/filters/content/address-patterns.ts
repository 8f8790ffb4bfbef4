/** Addresses and domains in options: `user@example.org`, `example.org`, `.example.org`. */
import { NOTHING_MORE, type Kind } from '../../options/kinds.ts'
import { domainPattern, line } from '../../options/value-kinds.ts'

const FORM =
  'an address, a domain such as example.org, or .example.org for all domains below it'

export const addressPattern: Kind = {
  ...line,
  takes: FORM,
  takesText: FORM,
  placeholder: 'address',
  wrong: (value) => {
    if (typeof value !== 'string') return NOTHING_MORE
    const at = value.lastIndexOf('@')
    if (at === -1) return domainPattern.wrong(value)
    const domain = value.slice(at + 1)
    return /[\s\p{Cc}]/u.test(value) || at === 0 || domain.startsWith('.')
      ? NOTHING_MORE
      : domainPattern.wrong(domain)
  },
  setting: (value) => (value as string).toLowerCase(),
}

/**
 * A list of such entries. Letters of both cases are the same, and `user+list@example.org` is also
 * `user@example.org`.
 */
export class AddressPatterns {
  readonly #exact: ReadonlySet<string>
  readonly #below: readonly string[]

  constructor(entries: readonly string[]) {
    const names = entries.map((entry) => entry.toLowerCase())
    this.#exact = new Set(names.filter((name) => !name.startsWith('.')))
    this.#below = names.filter((name) => name.startsWith('.'))
  }

  get isEmpty(): boolean {
    return this.#exact.size === 0 && this.#below.length === 0
  }

  has({ local, domain }: { readonly local: string; readonly domain: string }): boolean {
    const name = domain.toLowerCase()
    if (name === '') return false
    const user = local.toLowerCase()
    const plus = user.indexOf('+')
    return (
      this.#exact.has(name) ||
      this.#exact.has(`${user}@${name}`) ||
      (plus > 0 && this.#exact.has(`${user.slice(0, plus)}@${name}`)) ||
      this.#below.some((end) => name.endsWith(end) && name.length > end.length)
    )
  }
}
