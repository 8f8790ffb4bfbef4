/** The options of `bcc`. */
import { choice, inputFile, NOTHING_MORE, type Kind } from '../../options/kinds.ts'
import { listOf, object } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { line } from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { addressPattern } from '../content/address-patterns.ts'
import { localNetworks } from '../local-networks.ts'
import type { BccOptions, BccRule, BccRuleSettings, BccSettings } from '../types.ts'

/** The address of a mailbox in ASCII, as every mail server takes it. */
const mailbox: Kind = {
  ...line,
  takes: 'an address, such as archive@example.org',
  takesText: 'an address, such as archive@example.org',
  placeholder: 'address',
  wrong: (value) =>
    typeof value === 'string' && MAILBOX.test(value) ? undefined : NOTHING_MORE,
  schema: { type: 'string', pattern: '^[^@\\s<>]+@[^@\\s<>]+$' },
}
const MAILBOX = /^[!#-'*+\-/-9=?A-Z^-~.]{1,64}@[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/

const RULE: Shape<BccRule, BccRuleSettings> = {
  name: 'rules',
  type: 'BccRule',
  isEntry: true,
  text: 'recipients that are added, and to which mail; all conditions have to be true',
  fields: {
    to: { kind: listOf(mailbox), required: true, text: 'the recipients that are added' },
    sender: {
      kind: listOf(addressPattern),
      text: 'senders of the envelope; one of them is enough',
    },
    recipient: { kind: listOf(addressPattern), text: 'recipients; one of them is enough' },
    direction: {
      kind: listOf(choice(['authenticated', 'local', 'outside'])),
      text: 'where the mail comes from',
    },
  },
}

export const BCC: Shape<BccOptions, BccSettings> = {
  name: 'bcc',
  type: 'Bcc',
  text: 'adds recipients that the other recipients do not see',
  fields: {
    rules: {
      kind: listOf(object(RULE)),
      required: true,
      text: 'what is added to which mail; all rules that match count',
    },
    networks: localNetworks('clients that are local; their marks count'),
    markKeyFile: {
      kind: inputFile,
      text: 'a file with a key; then a message that comes through again gets no second copy',
    },
    ...commonFields('bcc'),
  },
}
