/** An ESMTP parameter: the name in upper case, and the value, or undefined if there is no `=`. */
export interface EsmtpWord {
  readonly name: string
  readonly value: string | undefined
}

const WORD = /\s*([-0-9A-Za-z]*)(?:=([!-<>-~\x80-\uffff]*))?[^]?/y

/**
 * Reads parameters as Sendmail does (srvrsmtp.c parse_esmtp_args). A name ends at the first character that a name
 * cannot contain.
 */
export function* sendmailWords(text: string | Uint8Array | undefined): Generator<EsmtpWord> {
  const given = String(text ?? '').trimEnd()
  WORD.lastIndex = 0
  for (let at = 0; at < given.length;) {
    WORD.lastIndex = at
    const [all, name, value] = WORD.exec(given)!
    at += all.length
    yield { name: name!.toUpperCase(), value }
  }
}
