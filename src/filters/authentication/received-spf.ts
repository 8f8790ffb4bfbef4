/** The field `Received-SPF` (RFC 7208, section 9.1). */
import type { SpfCheck, SpfSubject } from './check-spf.ts'
import { foldedWords, writtenComment } from './results-field.ts'

export const RECEIVED_SPF = 'Received-SPF'

const COMMENTS: Readonly<Record<SpfCheck['result'], string>> = {
  pass: 'the domain permits the client',
  fail: 'the domain does not permit the client',
  softfail: 'the domain does probably not permit the client',
  neutral: 'the domain says nothing about the client',
  none: 'there is no record',
  temperror: 'the record could not be asked for',
  permerror: 'the record has an error',
}

/** The value of the field, with the space after its colon and CRLF in folds. */
export function writeReceivedSpf(check: SpfCheck, subject: SpfSubject): string {
  const { result, identity } = check
  const words = [result, writtenComment(`${subject.server}: ${COMMENTS[result]}`)]
  const pairs: [string, string | undefined][] = [
    ['client-ip', subject.address],
    ['envelope-from', identity === 'mailfrom' ? subject.sender : undefined],
    ['helo', subject.helo],
    ['identity', identity],
    ['receiver', subject.server],
  ]
  for (const [key, value] of pairs) {
    const text = value === undefined ? undefined : writtenPair(value)
    if (text !== undefined) words.push(`${key}=${text};`)
  }
  return ` ${foldedWords(
    words.filter((word) => word !== undefined),
    RECEIVED_SPF.length + 2,
  )}`
}

const MAX_VALUE = 320
const DOT_ATOM = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/

/** `( dot-atom / quoted-string )`; undefined for what can be neither, or is too long for a line. */
function writtenPair(value: string): string | undefined {
  if (value === '' || value.length > MAX_VALUE || !/^[ -~]+$/.test(value)) return undefined
  return DOT_ATOM.test(value) ? value : `"${value.replaceAll(/["\\]/g, '\\$&')}"`
}
