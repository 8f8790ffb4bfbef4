/** An ESMTP parameter: the name in upper case, and the value, undefined where there is no `=`. */
export interface EsmtpWord {
  readonly name: string
  readonly value: string | undefined
}

const WORD = /\s*([-0-9A-Za-z]*)(?:=([!-<>-~\x80-\uffff]*))?[^]?/y

/** As Sendmail reads them (srvrsmtp.c parse_esmtp_args): a name ends at whatever no name can hold. */
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
