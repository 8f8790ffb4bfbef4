import { UsageError } from '../../errors.ts'

/**
 * What a filter may give with an address. Postfix logs and leaves out what it does not take
 * (cleanup_milter.c cleanup_add_rcpt_par, cleanup_chg_from). Sendmail puts up with less: a parameter without the
 * value it needs ends its process; one of a recipient that it does not take leaves its client out of step
 * (milter.c milter_addrcpt_par); and a wrong BODY or ENVID goes to the next server, which may refuse the mail
 * (srvrsmtp.c mail_esmtp_args).
 */
interface Rule {
  /** of the value; without it there can be none */
  readonly form?: RegExp
  /** for the message */
  readonly write: string
}

/** RFC 3461, section 4. Lower case is taken too, as both servers do; a NUL is no part of an address. */
const XCHAR = String.raw`[!-*,-<>-~]|\+(?!00)[0-9A-Fa-f]{2}`
const ATOM = String.raw`[!#$%&'*+\-/0-9?A-Z^_\x60a-z{|}~]+`

const RECIPIENT: Readonly<Record<string, Rule>> = {
  NOTIFY: {
    form: /^(?:NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*)$/i,
    write:
      'write NOTIFY=NEVER, or some of SUCCESS, FAILURE and DELAY with commas between them (RFC 3461, section 4.1)',
  },
  ORCPT: {
    form: new RegExp(`^(?=.{1,500}$)${ATOM};(?:${XCHAR})*$`, 's'),
    write:
      'write ORCPT=rfc822;a@example.org, in at most 500 characters, and spaces, "=" and "+" of the address as xtext (RFC 3461, section 4.2)',
  },
}

/** Names of the other kind of address, which Sendmail stumbles over and Postfix leaves out. */
const OF_RECIPIENT: ReadonlySet<string> = new Set(Object.keys(RECIPIENT))

/**
 * In the order in which they are sent. Sendmail takes no parameter after the first that it does not know (srvrsmtp.c
 * parse_esmtp_args), so those that it may not know come later: RET and ENVID where it has no DSN, SMTPUTF8 where it was
 * built without, and at the end all that are not here.
 */
const SENDER: Readonly<Record<string, Rule>> = {
  BODY: {
    // BINARYMIME needs BDAT (RFC 3030), which neither server uses: the next one would refuse the mail.
    form: /^(?:7BIT|8BITMIME)$/i,
    write: 'write BODY=7BIT or BODY=8BITMIME (RFC 6152)',
  },
  SIZE: {
    // Sendmail makes 2**63-1 of a larger number, and the next server refuses that.
    form: /^0*\d{1,18}$/,
    write: 'write SIZE= and a number of bytes with at most 18 digits (RFC 1870)',
  },
  RET: {
    form: /^(?:FULL|HDRS)$/i,
    write: 'write RET=FULL or RET=HDRS (RFC 3461, section 4.3)',
  },
  ENVID: {
    form: new RegExp(`^(?=.{1,100}$)(?:${XCHAR})+$`, 's'),
    write: 'write ENVID= and at most 100 characters of xtext (RFC 3461, section 4.4)',
  },
  AUTH: {
    form: new RegExp(`^(?:${XCHAR})+$`, 's'),
    write: 'write AUTH=<>, or an address as xtext (RFC 4954, section 5)',
  },
  BY: {
    form: /^(?:-?\d{1,9};NT?|(?=\d*[1-9])\d{1,9};RT?)$/i,
    write:
      'write BY= and seconds, a semicolon, and N or R, such as BY=3600;R; with R the seconds are above 0 (RFC 2852)',
  },
  SMTPUTF8: { write: 'write SMTPUTF8 alone (RFC 6531, section 3.4)' },
  REQUIRETLS: { write: 'write REQUIRETLS alone (RFC 8689, section 2)' },
}
const SENDER_ORDER: readonly string[] = Object.keys(SENDER)

/** A word as name and value: names in upper case, as case means nothing in them; null for one without `=`. */
export function nameAndValue(word: string): readonly [name: string, value: string | null] {
  const equals = word.indexOf('=')
  if (equals === -1) return [word.toUpperCase(), null]
  return [word.slice(0, equals).toUpperCase(), word.slice(equals + 1)]
}

/**
 * @param words each an ESMTP parameter, one character for each byte
 * @returns them in the order in which they are sent; for servers, they have none
 * @throws UsageError INVALID_ADDRESS
 */
export function checkedEditParameters(
  what: 'sender' | 'recipient',
  words: readonly string[],
): readonly string[] {
  const rules = what === 'sender' ? SENDER : RECIPIENT
  const seen = new Set<string>()
  for (const word of words) {
    const [name, value] = nameAndValue(word)
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (rule === undefined) checkOther(what, name, word)
    else if (value === null ? rule.form !== undefined : rule.form?.test(value) !== true) {
      throw wrong(
        word,
        `is not what ${name} can be; ${rule.write}: Postfix ignores others, and Sendmail can crash or damage the mail`,
      )
    }
    if (seen.has(name)) {
      throw wrong(
        word,
        `gives ${name} twice; give it once: mail servers differ in which counts`,
      )
    }
    seen.add(name)
  }
  return what === 'sender' ? words.toSorted((a, b) => rankOf(a) - rankOf(b)) : words
}

function checkOther(what: 'sender' | 'recipient', name: string, word: string): void {
  if (what === 'recipient') {
    throw wrong(
      word,
      'is not for a recipient that a filter adds; give NOTIFY and ORCPT and leave out others: Postfix ignores them, and Sendmail adds no recipient and gets out of step with its client',
    )
  }
  if (OF_RECIPIENT.has(name)) {
    throw wrong(
      word,
      `is not for a sender; give ${name} with a recipient (RFC 3461, section 4)`,
    )
  }
}

function rankOf(word: string): number {
  const rank = SENDER_ORDER.indexOf(nameAndValue(word)[0])
  return rank === -1 ? SENDER_ORDER.length : rank
}

function wrong(word: string, why: string): UsageError {
  const text = Buffer.from(word, 'latin1').toString()
  const shown = text.length > 80 ? `${text.slice(0, 80)}...` : text
  return new UsageError(
    'INVALID_ADDRESS',
    `the ESMTP parameter ${JSON.stringify(shown)} ${why}`,
  )
}
