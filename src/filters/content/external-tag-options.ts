/** The options of `externalTag`. */
import { choice } from '../../options/kinds.ts'
import { listOf, object } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { dnsName, domainPattern, fieldName, line } from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { localNetworks } from '../local-networks.ts'
import { lookupTable } from '../table-option.ts'
import type {
  ExternalBanner,
  ExternalBannerSettings,
  ExternalTagOptions,
  ExternalTagSettings,
} from '../types.ts'
import { addressPattern } from './address-patterns.ts'
import { checkFooter, footerFields, footerOneOf } from './footer-options.ts'

/** The longest tag that still leaves room for the subject. */
const MAX_TAG = 60

const BANNER: Shape<ExternalBanner, ExternalBannerSettings> = {
  name: 'banner',
  type: 'ExternalBanner',
  isEntry: true,
  text: 'a banner above the text of a message',
  fields: footerFields,
  oneOf: footerOneOf,
  check: checkFooter,
}

export const EXTERNAL_TAG: Shape<ExternalTagOptions, ExternalTagSettings> = {
  name: 'externalTag',
  type: 'ExternalTag',
  text: 'marks mail from outside: in a header field, in the subject, with a banner',
  fields: {
    header: {
      kind: fieldName,
      default: 'X-External',
      text: 'the field that marked mail has, with the value yes',
      more: 'Fields of that name that come from outside are removed.',
    },
    subject: {
      kind: line,
      text: 'a tag before the subject, such as [EXTERNAL]; by default the subject stays',
    },
    banner: {
      kind: object(BANNER),
      text: 'a banner above the text; by default the body stays',
    },
    networks: localNetworks(
      'clients whose mail is not from outside',
      'Mail of clients that have logged in is not from outside either.',
    ),
    internalDomains: {
      kind: listOf(domainPattern, { min: 0 }),
      default: [],
      text: 'domains of authors whose mail is not marked if DMARC has passed for it',
      more: 'The filter `authenticate` has to stand before this one.',
    },
    authservId: {
      kind: dnsName,
      text: 'the name in `Authentication-Results`; by default that of the mail server (macro `j`)',
    },
    forwarded: {
      kind: listOf(addressPattern, { min: 0 }),
      default: [],
      text: 'recipients whose mail is forwarded: subject and body of their mail stay',
    },
    forwardedTable: {
      kind: lookupTable,
      text: 'a table of aliases: recipients with an alias in another domain are forwarded',
    },
    mixed: {
      kind: choice(['header', 'tag']),
      default: 'header',
      text: 'what mail for forwarded and other recipients gets: only the field, or all',
    },
    ...commonFields('external-tag'),
  },
  check({ subject }, report) {
    if (subject !== undefined && (subject.length > MAX_TAG || subject.trim() !== subject)) {
      report({
        path: ['subject'],
        text: `takes at most ${MAX_TAG} characters, without spaces around them`,
        got: { value: subject },
      })
    }
  },
}
