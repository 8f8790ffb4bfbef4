/** The organisational domain by the public suffix list (https://publicsuffix.org/), as before RFC 9989. */
import { loadOptional } from '../../optional-package.ts'
import { domainName } from './domain-name.ts'

/** What the list says of a domain. */
export interface PublicSuffixResult {
  /** the organisational domain: one label below the public suffix; undefined if there is none */
  readonly found: string | undefined
  /** the public suffix, such as `co.uk`; undefined for an address or a text that is not a name */
  readonly suffix: string | undefined
  /**
   * where the suffix comes from, or why nothing was found:
   *
   * - `registry`: the suffix of a registry, such as `co.uk`
   * - `private`: a suffix of a company that gives names to its customers, such as `github.io`
   * - `unlisted`: the list does not have the last label, which then counts as a suffix
   * - `suffix`: the domain is itself a public suffix
   * - `not-a-domain`: the text is an address, or no name
   */
  readonly why: 'registry' | 'private' | 'unlisted' | 'suffix' | 'not-a-domain'
}

export type OrganizationalDomainByPublicSuffix = (domain: string) => PublicSuffixResult

export interface PublicSuffixOptions {
  /**
   * whether a suffix of a company counts, such as `github.io`; true by default, so that its customers have domains of
   * their own
   */
  readonly privateSuffixes?: boolean
}

/**
 * Loads the public suffix list of the package tldts, and gives the function `organizationalDomainByPublicSuffix`. It asks
 * nobody, but is as old as the package. DMARC itself uses `organizationalDomainByTreeWalk` today.
 *
 *     const organizationalDomainByPublicSuffix = await loadPublicSuffixList()
 *     organizationalDomainByPublicSuffix('news.example.co.uk').found // 'example.co.uk'
 *
 * @throws UsageError MISSING_PACKAGE, so load it when the program starts
 */
export async function loadPublicSuffixList(
  options: PublicSuffixOptions = {},
): Promise<OrganizationalDomainByPublicSuffix> {
  const { privateSuffixes = true } = options
  const { parse } = await loadOptional(
    'tldts',
    'the public suffix list',
    async () => await import('tldts'),
  )
  return (domain) => {
    const name = domainName(domain)
    if (name === undefined || !HOST.test(name)) return NOT_A_DOMAIN
    const {
      domain: found,
      publicSuffix,
      isIcann,
      isPrivate,
      isIp,
    } = parse(name, {
      allowPrivateDomains: privateSuffixes,
      extractHostname: false,
      mixedInputs: false,
      validateHostname: false,
    })
    if (isIp === true || publicSuffix === null) return NOT_A_DOMAIN
    const from = isPrivate === true ? 'private' : isIcann === true ? 'registry' : 'unlisted'
    return found === null
      ? { found: undefined, suffix: publicSuffix, why: 'suffix' }
      : { found, suffix: publicSuffix, why: from }
  }
}

/** Other characters are in URLs and addresses, which tldts would take apart. */
const HOST = /^[\w.-]+$/

const NOT_A_DOMAIN: PublicSuffixResult = {
  found: undefined,
  suffix: undefined,
  why: 'not-a-domain',
}
