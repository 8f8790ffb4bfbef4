/** The options of `rewrite`. */
import { choice, count, secretFile } from '../../options/kinds.ts'
import { listOf, object } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { code, domain, domainPattern, text } from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { lookupTables } from '../sources/lookup.ts'
import type { RewriteOptions, RewriteSettings, SrsPlace, SrsPlaceSettings } from '../types.ts'

const SRS: Shape<SrsPlace, SrsPlaceSettings> = {
  name: 'srs',
  type: 'SrsPlace',
  isEntry: true,
  text: 'the Sender Rewriting Scheme, with the addresses and secrets of postsrsd',
  fields: {
    domain: {
      kind: domain,
      required: true,
      text: 'the domain of rewritten senders; bounces to it have to reach this server',
    },
    secretsFile: {
      kind: secretFile,
      required: true,
      text: 'file with a secret in each line: the first one makes addresses, all are believed',
    },
    localDomains: {
      kind: listOf(domainPattern),
      required: true,
      text: 'your domains: their senders stay, and mail to them alone is not forwarded',
    },
    forwards: {
      kind: lookupTables,
      text: 'tables of aliases by which your server forwards mail of local recipients',
      more: 'A milter sees recipients before Postfix looks them up in `virtual_alias_maps`, so name the same tables here.',
    },
    invalid: {
      kind: choice(['refuse', 'pass']),
      default: 'refuse',
      text: 'what is done with a recipient that is a forged or expired SRS address',
    },
    separator: {
      kind: choice(['=', '+', '-']),
      default: '=',
      text: 'what follows SRS0 and SRS1 in new addresses',
    },
    hashLength: { kind: count({ from: 1, to: 20 }), default: 4, text: 'characters of a hash' },
    minHashLength: {
      kind: count({ from: 1, to: 20 }),
      text: 'characters that a hash needs to be believed; hashLength by default',
    },
    maxAge: {
      kind: count({ from: 1, to: 1_022 }),
      default: 21,
      text: 'days that an address is valid',
    },
  },
  check({ hashLength, minHashLength = hashLength }, report) {
    if (minHashLength <= hashLength) return
    report({ path: ['minHashLength'], text: 'takes a number that is not above hashLength' })
  },
}

export const REWRITE: Shape<RewriteOptions, RewriteSettings> = {
  name: 'rewrite',
  type: 'Rewrite',
  text: 'rewrites the sender and the recipients of the envelope, by tables and by SRS',
  fields: {
    senders: {
      kind: lookupTables,
      text: 'tables of senders: address or @domain, and the new address or @domain',
    },
    recipients: {
      kind: lookupTables,
      text: 'tables of recipients: address or @domain, and the new addresses',
    },
    srs: {
      kind: object(SRS),
      text: 'rewrite senders of forwarded mail, and find them in bounces',
    },
    delimiter: {
      kind: text,
      default: '+',
      text: 'characters that begin an extension, which stays: user+news; empty for none',
    },
    onFailure: {
      kind: choice(['defer', 'pass']),
      default: 'defer',
      text: 'what is done if a table cannot be asked',
    },
    ...commonFields('rewrite'),
    now: { kind: code('() => number'), text: 'Unix time in milliseconds, for tests' },
  },
  check({ senders, recipients, srs }, report) {
    if (senders === undefined && recipients === undefined && srs === undefined) {
      report({ path: [], text: 'needs senders, recipients or srs: otherwise it does nothing' })
    }
  },
}
