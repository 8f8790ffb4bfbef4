/** The options of `disclaimer`. */
import { choice, type Kind } from '../../options/kinds.ts'
import { listOf, mapOf, object } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { domainPattern, line, yesNo } from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { localNetworks } from '../local-networks.ts'
import { lookupTable } from '../table-option.ts'
import type {
  DisclaimerOptions,
  DisclaimerRule,
  DisclaimerRuleSettings,
  DisclaimerSettings,
} from '../types.ts'
import { addressPattern } from './address-patterns.ts'
import { checkFooter, footerFields, footerOneOf } from './footer-options.ts'

const RULE: Shape<DisclaimerRule, DisclaimerRuleSettings> = {
  name: 'a rule',
  type: 'DisclaimerRule',
  isEntry: true,
  text: 'a disclaimer, and the mail that gets it; the first rule that matches counts',
  fields: {
    from: {
      kind: listOf(addressPattern),
      text: 'authors (field From) whose mail gets it; by default all',
    },
    to: {
      kind: listOf(addressPattern),
      text: 'recipients whose mail gets it, one is enough; by default all',
    },
    ...footerFields,
  },
  oneOf: footerOneOf,
  check: checkFooter,
}

/** As it stands in a variable: `{table.title}`. */
const tableName: Kind = {
  ...line,
  takes: 'a name of letters, digits, _ and -, such as title',
  takesText: 'a name of letters, digits, _ and -, such as title',
  wrong: (value) => (/^[a-z0-9_-]{1,40}$/i.test(String(value)) ? undefined : {}),
  setting: (value) => (value as string).toLowerCase(),
}

export const DISCLAIMER: Shape<DisclaimerOptions, DisclaimerSettings> = {
  name: 'disclaimer',
  type: 'Disclaimer',
  text: 'adds a text to mail of your users: to its plain text and to its HTML',
  fields: {
    rules: {
      kind: listOf(object(RULE)),
      required: true,
      text: 'the disclaimers; the first rule that matches counts',
    },
    except: {
      kind: listOf(addressPattern, { min: 0 }),
      default: [],
      text: 'authors whose mail gets none',
    },
    internalDomains: {
      kind: listOf(domainPattern, { min: 0 }),
      default: [],
      text: 'mail that is only for recipients in these domains gets none',
    },
    replies: {
      kind: choice(['once', 'always', 'skip']),
      default: 'once',
      text: 'what replies get',
      more: '`once`: a message that shows the disclaimer already, quoted or not, gets no second one. `skip`: a reply gets none.',
    },
    position: {
      kind: choice(['bottom', 'top']),
      default: 'bottom',
      text: 'below the whole text, or above it',
    },
    unreadable: {
      kind: choice(['wrap', 'skip']),
      default: 'wrap',
      text: 'what to do with a text that cannot be read for sure: a part beside it, or nothing',
    },
    tables: {
      kind: mapOf(tableName, lookupTable),
      text: 'tables for the variables {table.NAME}, which are asked for the address of the author',
    },
    authenticated: {
      kind: yesNo,
      default: true,
      text: 'mail of clients that have logged in gets it',
    },
    networks: localNetworks('mail of clients with these addresses gets it'),
    daemons: {
      kind: listOf(line, { min: 0 }),
      default: [],
      text: 'all mail that comes in through these daemons (macro `daemon_name`) gets it',
    },
    ...commonFields('disclaimer'),
  },
}
