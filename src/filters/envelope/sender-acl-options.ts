/** The options of `senderAcl`. */
import { choice } from '../../options/kinds.ts'
import { listOf } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { domain, line, text, yesNo } from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { lookupTables } from '../sources/lookup.ts'
import type { SenderAclOptions, SenderAclSettings } from '../types.ts'

export const SENDER_ACL: Shape<SenderAclOptions, SenderAclSettings> = {
  name: 'senderAcl',
  type: 'SenderAcl',
  text: 'lets users who have logged in send only as addresses that are theirs',
  fields: {
    allowed: {
      kind: lookupTables,
      text: 'tables by login: the addresses that it may send as',
      more: 'Between commas or spaces: `bob@example.org`, `@example.org` for all of a domain, `@.example.org` for all domains below it, `*` for all.',
    },
    owners: {
      kind: lookupTables,
      text: 'tables by address or @domain: the logins that may send as it (smtpd_sender_login_maps)',
    },
    own: {
      kind: yesNo,
      default: true,
      text: 'a login that is an address may send as this address, also with an extension',
    },
    loginDomain: {
      kind: domain,
      text: 'the domain that is added to logins without one, so that they are addresses',
    },
    check: {
      kind: listOf(choice(['envelope', 'from', 'sender-field'])),
      default: ['envelope', 'from'],
      text: 'what has to be theirs: the envelope sender, all of `From`, the field `Sender`',
    },
    nullSender: {
      kind: yesNo,
      default: true,
      text: 'whether users may send with the null sender, as receipts have it',
    },
    exempt: {
      kind: listOf(line, { min: 0 }),
      default: [],
      text: 'logins that may send as anybody, such as that of a mailing list or a gateway',
    },
    delimiter: {
      kind: text,
      default: '+',
      text: 'characters that begin an extension, as in user+news; empty for none',
    },
    onFailure: {
      kind: choice(['defer', 'pass']),
      default: 'defer',
      text: 'what is done if a table cannot be asked',
    },
    ...commonFields('sender-acl'),
  },
  check({ allowed, owners, own }, report) {
    if (allowed === undefined && owners === undefined && !own) {
      report({
        path: [],
        text: 'needs allowed or owners, or own: true: otherwise nobody may send',
      })
    }
  },
}
