/**
 * The domain of the author: the one in `From` that DMARC is about (RFC 9989, section 5.3.1). If readers could see another
 * one than we do, there is no such domain but a problem, which the policy decides about.
 */
import { isIP } from 'node:net'
import { decodeEncodedWords } from '../../mime/fields/encoded-words.ts'
import { mailboxesOf, parseAddresses } from '../../mime/fields/mailboxes.ts'
import { domainName } from '../../toolkit/dns/domain-name.ts'

/**
 * Why a message has no domain of an author:
 *
 * - `no-from`, `several-from`: it has no field `From`, or more than one
 * - `long-from`: the field is above {@link MAX_FROM} characters
 * - `no-address`: no address in it has a domain
 * - `several-domains`: its addresses are of different domains, or programs may read it so
 * - `address-literal`: an IP address in the place of a domain
 * - `bad-domain`: the text behind the `@` is not a name of DNS
 * - `bad-character`: it has a NUL, another control character or a line break in the middle, which programs read differently
 */
export type FromProblem =
  | 'no-from'
  | 'several-from'
  | 'long-from'
  | 'no-address'
  | 'several-domains'
  | 'address-literal'
  | 'bad-domain'
  | 'bad-character'

/** Either a domain in lower case, with A-labels and without a dot at its end, or a problem. */
export type Author =
  | { readonly domain: string; readonly problem?: undefined }
  | { readonly domain?: undefined; readonly problem: FromProblem }

/** Reading addresses takes time, and no author has so many. */
export const MAX_FROM = 16_384

const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/

/**
 * @param values what stands behind the colon of each field `From`
 * @param others addresses that another parser has found in them
 * @param utf8 whether the message came with SMTPUTF8, so that domains may be in Unicode
 */
export function authorOf(
  values: readonly string[],
  others: readonly string[],
  utf8: boolean,
): Author {
  const [value, more] = values
  if (value === undefined) return { problem: 'no-from' }
  if (more !== undefined) return { problem: 'several-from' }
  if (value.length > MAX_FROM) return { problem: 'long-from' }
  const text = value.replaceAll(/\r?\n(?=[ \t])/g, '')
  // ESC is in names of old Japanese mail (ISO-2022-JP).
  // oxlint-disable-next-line no-control-regex
  if (/[\0-\x08\x0a-\x1a\x1c-\x1f\x7f]/.test(text)) return { problem: 'bad-character' }

  const written = domainsIn(text, true)
  // Some programs decode first and parse then.
  const decoded = domainsIn(decodeEncodedWords(text), false)
  const domains = new Set([...written, ...decoded, ...others.map(domainOf)])
  domains.delete('')
  if (domains.size === 0) return { problem: 'no-address' }
  const names = new Set([...domains].map((domain) => nameOf(domain, utf8)))
  if (names.size > 1) return { problem: 'several-domains' }
  const [name] = names
  if (name !== undefined) return { domain: name }
  return { problem: [...domains].some(isLiteral) ? 'address-literal' : 'bad-domain' }
}

/**
 * The domains of all addresses, and of what may be one for other programs. An element without `@` is a part of a name that
 * somebody did not quote (`Doe, Jane <jane@...>`).
 */
function domainsIn(text: string, encoded: boolean): string[] {
  const { addresses, problem } = parseAddresses(text, encoded)
  const domains = mailboxesOf(addresses).flatMap(({ address, domain, name = '' }) =>
    address === ''
      ? domainsOfWords(name)
      : address.includes('@')
        ? [isDouble(address) ? NO_DOMAIN : domain || NO_DOMAIN]
        : [],
  )
  if (problem !== undefined) domains.push(...domainsOfWords(withoutQuotes(text)))
  return domains
}

/** An address without a domain, or with two. */
const NO_DOMAIN = ' '

const withoutQuotes = (text: string): string => text.replaceAll(/"(?:[^"\\]|\\[^])*"/g, '')

/** Two `@` outside quotes: programs take either one. */
const isDouble = (address: string): boolean => withoutQuotes(address).split('@').length > 2

/** Of everything with an `@` that stands between spaces and special characters. */
const domainsOfWords = (text: string): string[] =>
  text
    .split(/[\s<>(),;:"]+/)
    .filter((word) => word.includes('@'))
    .map((word) => (isDouble(word) ? NO_DOMAIN : domainOf(word) || NO_DOMAIN))

const domainOf = (address: string): string =>
  address.includes('@') ? address.slice(address.lastIndexOf('@') + 1).toLowerCase() : ''

function nameOf(domain: string, utf8: boolean): string | undefined {
  // oxlint-disable-next-line no-control-regex
  if (!utf8 && /[^\0-\x7f]/.test(domain)) return undefined
  const name = domainName(domain)
  return name === undefined || !NAME.test(name) || isIP(name) !== 0 ? undefined : name
}

const isLiteral = (domain: string): boolean =>
  domain.startsWith('[') || isIP(domain.replace(/\.$/, '')) !== 0
