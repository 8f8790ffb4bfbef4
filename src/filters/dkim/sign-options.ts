/** The options of `dkimSign`. */
import { choice, secretFile } from '../../options/kinds.ts'
import { listOf, object } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import {
  code,
  dnsName,
  domain,
  duration,
  fieldName,
  line,
  secret,
  table,
  time,
  yesNo,
} from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { localNetworks } from '../local-networks.ts'
import { checkSignedNames } from '../signing/name-options.ts'
import { OVERSIGNED_FIELDS, SIGNED_FIELDS } from '../signing/signed-fields.ts'
import type {
  DkimKey,
  DkimKeySettings,
  DkimSignOptions,
  DkimSignSettings,
  OpenDkimTables,
  OpenDkimTablesSettings,
} from '../types.ts'

export const DKIM_KEY: Shape<DkimKey, DkimKeySettings> = {
  name: 'a key',
  type: 'DkimKey',
  isEntry: true,
  text: 'a private key of a domain; keys of different algorithms all sign, such as an RSA and an Ed25519 key; of several keys with one algorithm, the one with the latest `notBefore` that has come signs',
  fields: {
    domain: { kind: domain, required: true, text: 'the domain it signs for' },
    selector: {
      kind: dnsName,
      required: true,
      text: 'the name of the key: its record is SELECTOR._domainkey.DOMAIN',
    },
    file: { kind: secretFile, text: 'path of a file with the private key in PEM' },
    privateKey: { kind: secret, text: 'the private key itself, in PEM' },
    subdomains: {
      kind: yesNo,
      default: true,
      text: 'whether it also signs for subdomains that have no key of their own',
    },
    notBefore: {
      kind: time,
      text: 'when it begins to sign; by default at once',
      more: 'Its record has to be published before.',
    },
    notAfter: {
      kind: time,
      text: 'when it ends to sign; by default it signs until a newer key does',
    },
  },
  oneOf: ['file', 'privateKey'],
  check({ notBefore, notAfter }, report) {
    if (notBefore !== undefined && notAfter !== undefined && notAfter <= notBefore) {
      report({ path: ['notAfter'], text: 'takes a time after notBefore' })
    }
  },
}

const OPEN_DKIM: Shape<OpenDkimTables, OpenDkimTablesSettings> = {
  name: 'openDkim',
  type: 'OpenDkimTables',
  isEntry: true,
  text: 'the tables of OpenDKIM: paths as in opendkim.conf, with `refile:` where it has that',
  fields: {
    keyTable: { kind: table, required: true, text: 'its KeyTable' },
    signingTable: { kind: table, required: true, text: 'its SigningTable' },
    multiple: { kind: yesNo, default: false, text: 'its MultipleSignatures' },
  },
}

const SIGN_OR_SKIP = choice(['sign', 'skip'])

export const DKIM_SIGN: Shape<DkimSignOptions, DkimSignSettings> = {
  name: 'dkimSign',
  type: 'DkimSign',
  text: 'signs mail of your users with DKIM (RFC 6376, 8301, 8463); the last filter that changes anything',
  oneOf: ['keys', 'openDkim'],
  fields: {
    keys: {
      kind: listOf(object(DKIM_KEY)),
      text: 'the keys; all keys of a domain sign',
    },
    openDkim: { kind: object(OPEN_DKIM), text: 'the tables of OpenDKIM, in place of `keys`' },
    authenticated: {
      kind: yesNo,
      default: true,
      text: 'sign mail of clients that have logged in',
    },
    networks: localNetworks(
      'sign mail of clients with these addresses',
      'Mail that the server made itself, such as a bounce, is also signed.',
    ),
    daemons: {
      kind: listOf(line, { min: 0 }),
      default: [],
      text: 'sign all mail that comes in through these daemons (macro `daemon_name`)',
    },
    domainFrom: {
      kind: choice(['from', 'sender', 'login']),
      default: 'from',
      text: "whose domain decides: the author's, the envelope sender's, or that of the login",
    },
    loginMismatch: {
      kind: SIGN_OR_SKIP,
      default: 'sign',
      text: 'what to do if the domain of the login is not that of the author',
    },
    senderMismatch: {
      kind: SIGN_OR_SKIP,
      default: 'sign',
      text: 'what to do if the domain of the envelope sender is not that of the author',
    },
    canonicalization: {
      kind: choice(['relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple']),
      default: 'relaxed/relaxed',
      text: 'the form of header and body that is signed',
    },
    oversign: {
      kind: listOf(fieldName, { min: 0 }),
      default: OVERSIGNED_FIELDS,
      text: 'fields that nobody may add or change later',
    },
    sign: {
      kind: listOf(fieldName, { min: 0 }),
      default: SIGNED_FIELDS,
      text: 'fields that are signed if the message has them',
    },
    longLines: {
      kind: choice(['warn', 'fold']),
      default: 'warn',
      text: 'what to do with lines of the header above 998 bytes, which the next server folds',
      more: '`warn` names them in `risks` of the log line. `fold` folds them at a space before it signs.',
    },
    expiresIn: {
      kind: duration({ from: 1_000 }),
      text: 'time until the signature expires (x=); by default it does not',
    },
    ...commonFields('dkim-sign'),
    now: { kind: code('() => number'), text: 'Unix time in milliseconds, for tests' },
  },
  check: (names, report) => checkSignedNames(names, NEVER, 'RFC 6376, section 3.5', report),
}

/** Not itself. */
const NEVER = new Set(['dkim-signature'])
