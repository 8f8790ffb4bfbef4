/** The options of `when`: which mail a filter gets. */
import { choice } from '../options/kinds.ts'
import { listOf, object } from '../options/part-kinds.ts'
import type { Field, Shape } from '../options/shape.ts'
import { domainPattern, network } from '../options/value-kinds.ts'
import type {
  Condition,
  ConditionParts,
  ConditionPartsSettings,
  ConditionSettings,
} from './types.ts'

/** By default, `local` is the machine itself. */
const LOOPBACK = ['127.0.0.0/8', '::1']

const parts = {
  direction: {
    kind: listOf(choice(['authenticated', 'local', 'outside'])),
    text: 'where the mail comes from',
    more: '`authenticated`: the client has logged in. `local`: it has not, and its address is in `networks`, or the server made the mail itself. `outside`: all other mail.',
  },
  networks: {
    kind: listOf(network),
    default: LOOPBACK,
    text: 'the addresses that are `local`',
  },
  senderDomain: {
    kind: listOf(domainPattern),
    text: 'domains of the envelope sender',
  },
  recipientDomain: {
    kind: listOf(domainPattern),
    text: 'domains of recipients; one recipient is enough',
  },
} satisfies Record<string, Field>

const CONDITION_PARTS: Shape<ConditionParts, ConditionPartsSettings> = {
  name: 'not',
  type: 'ConditionParts',
  isEntry: true,
  text: 'facts about mail; all that are given have to be true',
  fields: parts,
}

export const CONDITION: Shape<Condition, ConditionSettings> = {
  name: 'when',
  type: 'Condition',
  isEntry: true,
  text: 'which mail a filter gets; all that is given has to be true',
  fields: {
    ...parts,
    not: { kind: object(CONDITION_PARTS), text: 'mail for which this is not true' },
  },
}
