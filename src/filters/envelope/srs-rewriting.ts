/** SRS in a filter: the sender of forwarded mail, and the recipients of bounces to it. */
import type { StageContext } from '../../message/stage-context.ts'
import type { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'
import {
  readSrsSecrets,
  Srs,
  type SrsForwarded,
  type SrsReversed,
} from '../../toolkit/rewriting/srs.ts'
import { domainTest } from '../domain-test.ts'
import { openTables, type Lookup } from '../sources/lookup.ts'
import { Renewed } from '../sources/renewed.ts'
import type { SrsPlaceSettings } from '../types.ts'
import { addressForms } from './address-forms.ts'
import { targetsIn } from './table-rewriting.ts'

type Context = Pick<StageContext, 'signal' | 'log'>

export class SrsRewriting {
  readonly domain: string
  readonly #srs: Renewed<Srs>
  readonly #forwards: Lookup | undefined
  readonly #isLocal: (domain: string) => boolean
  readonly #delimiter: string

  private constructor(
    srs: Renewed<Srs>,
    forwards: Lookup | undefined,
    { domain, localDomains }: SrsPlaceSettings,
    delimiter: string,
  ) {
    this.domain = domain
    this.#srs = srs
    this.#forwards = forwards
    this.#isLocal = domainTest([...localDomains, domain])
    this.#delimiter = delimiter
  }

  /** @throws UsageError INVALID_OPTION */
  static async open(
    settings: SrsPlaceSettings,
    delimiter: string,
    now: (() => number) | undefined,
  ): Promise<SrsRewriting> {
    const { domain, secretsFile, localDomains, forwards } = settings
    const { separator, hashLength, minHashLength = hashLength, maxAge } = settings
    const srs = await Renewed.open(
      'srs.secretsFile',
      [secretsFile],
      async () =>
        new Srs({
          domain,
          secrets: await readSrsSecrets(secretsFile),
          localDomains: localDomains.map((one) => one.replace(/^\./, '')),
          separator,
          hashLength,
          minHashLength,
          maxAge,
          ...(now !== undefined && { now }),
        }),
    )
    const tables = forwards && (await openTables('srs.forwards', forwards))
    return new SrsRewriting(srs, tables, settings, delimiter)
  }

  isSrs({ local, domain }: EnvelopeAddress): boolean {
    return domain === this.domain && /^SRS[01][=+-]/i.test(local)
  }

  reverse(recipient: EnvelopeAddress, { log }: Context): SrsReversed {
    return this.#srs.current(log).reverse(recipient.address)
  }

  forward(sender: EnvelopeAddress, { log }: Context): SrsForwarded {
    return this.#srs.current(log).forward(sender.address)
  }

  /** Whether mail to a recipient leaves: to another domain, or by an alias. @throws TableError LOOKUP_FAILED */
  async leaves(recipient: EnvelopeAddress, ctx: Context): Promise<boolean> {
    // What has no domain is of this machine.
    if (recipient.domain !== '' && !this.#isLocal(recipient.domain)) return true
    const found = await this.#forwards?.(addressForms(recipient, this.#delimiter), ctx)
    return targetsIn(found?.value ?? '').some(
      ({ domain }) => !this.#isLocal(domain.toLowerCase()),
    )
  }
}
