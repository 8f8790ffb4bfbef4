/** Which addresses a login may send as. */
import type { StageContext } from '../../message/stage-context.ts'
import type { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'
import { addressParts } from '../../toolkit/addresses/address-parts.ts'
import { openTables, type Lookup } from '../sources/lookup.ts'
import type { SenderAclSettings } from '../types.ts'
import { addressForms, plainForm } from './address-forms.ts'

/** Of an envelope or a mailbox of the header. */
export type SentAddress = Pick<EnvelopeAddress, 'local' | 'domain'>

/** Entries of a table that count; the value of a file is not bounded otherwise. */
const MAX_ENTRIES = 1_000

export class SenderRights {
  readonly #settings: SenderAclSettings
  readonly #allowed: Lookup | undefined
  readonly #owners: Lookup | undefined
  readonly #exempt: ReadonlySet<string>

  private constructor(
    settings: SenderAclSettings,
    allowed: Lookup | undefined,
    owners: Lookup | undefined,
  ) {
    this.#settings = settings
    this.#allowed = allowed
    this.#owners = owners
    this.#exempt = new Set(settings.exempt.map((login) => login.toLowerCase()))
  }

  /** @throws UsageError INVALID_OPTION */
  static async open(settings: SenderAclSettings): Promise<SenderRights> {
    const { allowed, owners } = settings
    return new SenderRights(
      settings,
      allowed && (await openTables('allowed', allowed)),
      owners && (await openTables('owners', owners)),
    )
  }

  isExempt(login: string): boolean {
    return this.#exempt.has(login.toLowerCase()) || this.#exempt.has(this.#full(login))
  }

  /** Whether a login may send as an address. @throws TableError LOOKUP_FAILED */
  async has(
    login: string,
    address: SentAddress,
    ctx: Pick<StageContext, 'signal' | 'log'>,
  ): Promise<boolean> {
    const { own, delimiter } = this.#settings
    const name = login.toLowerCase()
    const full = this.#full(login)
    if (own && full.includes('@') && isOwn(full, address, delimiter)) return true
    const names = new Set([name, full])
    if (this.#allowed !== undefined) {
      const domain = full.slice(full.lastIndexOf('@'))
      const found = await this.#allowed(
        [...names, ...(domain.startsWith('@') ? [domain] : [])],
        ctx,
      )
      if (entriesOf(found?.value).some((entry) => matches(entry, address, delimiter)))
        return true
    }
    if (this.#owners === undefined) return false
    const found = await this.#owners(addressForms(address, delimiter), ctx)
    return entriesOf(found?.value).some((entry) => names.has(entry))
  }

  /** The login as an address, if it can be one. */
  #full(login: string): string {
    const { loginDomain } = this.#settings
    const name = login.toLowerCase()
    return name.includes('@') || loginDomain === undefined ? name : `${name}@${loginDomain}`
  }
}

function isOwn(login: string, address: SentAddress, delimiter: string): boolean {
  const { local, domain = '' } = addressParts(login)
  const own = { local, domain }
  return (
    plainForm(address, '') === plainForm(own, '') ||
    plainForm(address, delimiter) === plainForm(own, '')
  )
}

const entriesOf = (value: string | undefined): string[] =>
  (value ?? '')
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .slice(0, MAX_ENTRIES)

/** @param entry in lower case */
function matches(entry: string, address: SentAddress, delimiter: string): boolean {
  if (entry === '*') return true
  if (entry.startsWith('@.')) return address.domain.endsWith(entry.slice(1))
  if (entry.startsWith('@')) return address.domain === entry.slice(1)
  return [plainForm(address, ''), plainForm(address, delimiter)].includes(entry)
}
