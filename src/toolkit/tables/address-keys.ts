/** In which order Postfix and pymilter look up an address in a table. */
import { addressParts, quotedLocal } from '../addresses/address-parts.ts'
import { isIPv6 } from 'node:net'
import { parseIp } from '../ip/ip-address.ts'

export interface AddressKeyOptions {
  /** characters that begin an extension (recipient_delimiter of Postfix), such as `+`; none by default */
  readonly delimiter?: string
  /**
   * How parents of a domain are looked up: `dotted` as `.example.org`, `bare` as `example.org`
   * (parent_domain_matches_subdomains of Postfix)
   */
  readonly parents?: 'bare' | 'dotted'
}

/**
 * The keys of an address for an access table, in the order of access(5): the address, the domain, its parents (`bare` by
 * default), the local part with an `@`. With an extension, the address and the local part also come without it. The null
 * sender is `<>`. As in Postfix, a local part has quotes only if it needs them, and a domain has no dot at its end: `"a"@b.`
 * gives the keys of `a@b`.
 *
 *     accessKeys('user+x@mail.example.org', { delimiter: '+' })
 *     // user+x@mail.example.org, user@mail.example.org, mail.example.org, example.org, org, user+x@, user@
 *
 * @param address of the envelope, with or without brackets
 */
export function accessKeys(address: string, options: AddressKeyOptions = {}): string[] {
  const { locals, domain } = read(address, options)
  if (locals[0] === '' && domain === undefined) return ['<>']
  if (domain === undefined) return [...locals, ...locals.map((local) => `${local}@`)]
  return [
    ...locals.map((local) => `${local}@${domain}`),
    ...domainKeys(domain, options.parents ?? 'bare'),
    ...locals.map((local) => `${local}@`),
  ]
}

/**
 * The keys of an address for a transport table, in the order of transport(5): the address, the domain, its parents
 * (`dotted` by default), `*`. With an extension, the address also comes without it.
 */
export function transportKeys(address: string, options: AddressKeyOptions = {}): string[] {
  const { locals, domain } = read(address, options)
  if (domain === undefined) return [...locals.filter((local) => local !== ''), '*']
  return [
    ...locals.map((local) => `${local}@${domain}`),
    ...domainKeys(domain, options.parents ?? 'dotted'),
    '*',
  ]
}

/** The keys of a host name in an access table (access(5)): the name, then its parents. */
export function domainKeys(domain: string, parents: 'bare' | 'dotted' = 'bare'): string[] {
  const name = domain.toLowerCase()
  const keys = [name]
  if (name.startsWith('[')) return keys
  for (let dot = name.indexOf('.', 1); dot !== -1; dot = name.indexOf('.', dot + 1)) {
    const parent = name.slice(parents === 'bare' ? dot + 1 : dot)
    if (parent !== '' && parent !== '.') keys.push(parent)
  }
  return keys
}

/**
 * The keys of an IP address in an access table (access(5)): the address, then the networks around it: `192.0.2`,
 * `192.0`, `192`; for IPv6, groups in front of a colon.
 *
 * @throws UsageError INVALID_IP_ADDRESS
 */
export function networkKeys(address: string): string[] {
  const { family } = parseIp(address)
  const text = family === 'ipv4' ? address.replace(/^.*:/, '') : address.toLowerCase()
  const separator = isIPv6(text) ? ':' : '.'
  const keys = [text]
  for (
    let end = text.lastIndexOf(separator);
    end > 0;
    end = text.lastIndexOf(separator, end - 1)
  ) {
    const key = text.slice(0, end)
    if (!key.endsWith(separator)) keys.push(key)
  }
  return keys
}

function read(
  address: string,
  { delimiter = '' }: AddressKeyOptions,
): { readonly locals: readonly string[]; readonly domain: string | undefined } {
  const { local, domain } = addressParts(address)
  const chars = Array.from(local)
  const at = chars.findIndex((char, i) => i > 0 && delimiter.includes(char))
  const locals = at === -1 ? [local] : [local, chars.slice(0, at).join('')]
  // Quotes that are not needed, and a dot at the end, would be ways around an entry (Postfix, smtpd and resolve.c).
  const name = domain?.toLowerCase().replace(/\.$/, '')
  return {
    locals: locals.map((one) => (one === '' ? '' : quotedLocal(one))),
    domain: name === '' ? undefined : name,
  }
}
