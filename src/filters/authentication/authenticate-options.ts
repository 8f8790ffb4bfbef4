/** The options of `authenticate`. */
import { choice, count, type Kind } from '../../options/kinds.ts'
import { listOf } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import {
  code,
  dnsName,
  domain,
  domainPattern,
  network,
  wait,
  yesNo,
} from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { localNetworks } from '../local-networks.ts'
import { DNS_FIELD } from '../dns-option.ts'
import type { AuthenticateOptions, AuthenticateSettings } from '../types.ts'

const MODE = choice(['observe', 'quarantine', 'reject'])

const DOMAIN_OR_NETWORK: Kind = {
  ...domain,
  takes: 'a domain, or an address or network',
  takesText: 'a domain such as example.org, or an address or network such as 192.0.2.0/24',
  wrong: (value) => network.wrong(value) && domain.wrong(value),
  schema: { type: 'string' },
}

export const AUTHENTICATE: Shape<AuthenticateOptions, AuthenticateSettings> = {
  name: 'authenticate',
  type: 'Authenticate',
  text: 'checks mail from outside with SPF, DKIM, DMARC and ARC; the first filter',
  fields: {
    authservId: {
      kind: dnsName,
      text: 'the name in `Authentication-Results`; by default that of the mail server (macro `j`)',
    },
    removeIds: {
      kind: listOf(domainPattern, { min: 0 }),
      default: [],
      text: 'more names that only you may use: fields from outside that have one are removed',
    },
    removeReceivedSpf: {
      kind: yesNo,
      default: true,
      text: 'remove each `Received-SPF` from outside (RFC 7208, section 9.1)',
    },
    policy: {
      kind: MODE,
      default: 'observe',
      text: 'what a failure of DMARC does',
      more: '`reject`: what the domain of the author wants. `quarantine`: what it wants rejected is held. `observe`: the log says what would have been done.',
    },
    badFrom: {
      kind: MODE,
      text: 'what is done without one domain of an author in `From`; by default as `policy`',
    },
    spfFail: {
      kind: MODE,
      default: 'observe',
      text: 'what is done if SPF fails (`-all`) and DMARC does not pass',
    },
    allow: {
      kind: listOf(DOMAIN_OR_NETWORK, { min: 0 }),
      default: [],
      text: 'domains of authors and networks of clients whose mail is never refused',
    },
    trustedSealers: {
      kind: listOf(domain, { min: 0 }),
      default: [],
      text: 'domains whose ARC seals you believe that DMARC has passed',
    },
    lists: {
      kind: listOf(DOMAIN_OR_NETWORK, { min: 0 }),
      default: [],
      text: 'mailing lists: networks, and domains that SPF or DKIM prove; DMARC refuses none of their mail',
    },
    checkAuthenticated: {
      kind: yesNo,
      default: false,
      text: 'also check mail of clients that have logged in',
    },
    networks: localNetworks('clients whose mail is not checked, and whose fields are kept'),
    maxSignatures: {
      kind: count({ from: 1, to: 100 }),
      default: 5,
      text: 'maximum number of DKIM signatures that are looked at',
    },
    maxArcSets: {
      kind: count({ to: 50 }),
      default: 10,
      text: 'maximum number of ARC sets; a longer chain is not looked at',
    },
    minKeyBits: {
      kind: count({ from: 1_024, to: 16_384 }),
      default: 1_024,
      text: 'minimum size of RSA keys that count, in bits (RFC 8301, section 3.2)',
    },
    maxKeyBits: {
      kind: count({ from: 2_048, to: 16_384 }),
      default: 4_096,
      text: 'maximum size of RSA keys that count, in bits',
    },
    dns: DNS_FIELD,
    maxQueries: {
      kind: count({ from: 10, to: 10_000 }),
      default: 100,
      text: 'maximum number of questions to DNS for one message',
    },
    maxTime: {
      kind: wait,
      default: 20_000,
      text: 'maximum time that a message waits for DNS',
    },
    ...commonFields('authenticate'),
    now: { kind: code('() => number'), text: 'Unix time in milliseconds, for tests' },
  },
  check({ minKeyBits, maxKeyBits }, report) {
    if (minKeyBits > maxKeyBits) {
      report({ path: ['minKeyBits'], text: 'must not be above maxKeyBits' })
    }
  },
}
