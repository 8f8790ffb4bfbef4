import { addressParts } from '../addresses/address-parts.ts'
import { lookupFirst, type LookupOptions, type Table } from './table.ts'

export interface AccessMapOptions {
  /** between the prefix and the address: `:` by default (Sendmail), or `!` */
  readonly separator?: ':' | '!'
  /** whether the keys of the table end with a NUL, as some C programs write them; false by default */
  readonly nulTerminated?: boolean
}

/**
 * The access map of pymilter's MTAPolicy, in a table that Sendmail or Postfix has too: keys are a prefix (what is asked,
 * such as `smtp-auth`) and an address, a domain, or nothing.
 *
 *     smtp-auth:good@example.com OK
 *     smtp-auth:example.com      REJECT
 *     smtp-auth:.example.org     REJECT
 *     spf-permerror:             REJECT
 *
 * In pymilter the local part of an address has a case. Make a `TextTable` with `caseSensitive` for that.
 */
export class AccessMap {
  readonly #table: Table
  readonly #separator: string
  readonly #end: string

  constructor(table: Table, { separator = ':', nulTerminated }: AccessMapOptions = {}) {
    this.#table = table
    this.#separator = separator
    this.#end = nulTerminated === true ? '\0' : ''
  }

  /**
   * The value for a prefix and an address. Looked up are the address as it was written, its domain in lower case, the
   * parents of the domain with a dot before them, the prefix with the separator, the prefix. Trailing NULs of values (of
   * maps that C programs wrote) are left out. Undefined if nothing is there.
   *
   * @param address of the envelope, with or without brackets
   * @throws TableError LOOKUP_FAILED; the reason of the signal
   */
  async lookup(
    prefix: string,
    address: string,
    options?: LookupOptions,
  ): Promise<string | undefined> {
    const keys = Array.from(this.#keys(prefix, address), (key) => key + this.#end)
    return (await lookupFirst(this.#table, keys, options))?.value.replace(/\0+$/, '')
  }

  *#keys(prefix: string, address: string): Generator<string> {
    const start = prefix + this.#separator
    const { local, domain: written } = addressParts(address)
    // A dot at the end would be a way around an entry.
    const domain = written?.replace(/\.$/, '')
    const name = domain?.toLowerCase() ?? ''
    if (local !== '' && name !== '') yield `${start}${local}@${domain}`
    else if (local !== '') yield start + local
    if (name !== '') {
      yield start + name
      for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
        yield start + name.slice(dot)
      }
    }
    yield start
    yield prefix
  }
}
