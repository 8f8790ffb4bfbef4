import { splitParameters } from './envelope.ts'
import { sendmailWords } from './esmtp-words.ts'
import type { EditFailure } from './model.ts'
import { decodedXtext, encodedXtext, isXtext } from './xtext.ts'

/**
 * The ESMTP parameters of a sender that a filter changes, as Postfix passes them on. Postfix takes the last RET and the
 * last ENVID. It logs and leaves out the rest. Parameters that are not given stay (cleanup_milter.c cleanup_chg_from).
 */
export function postfixSenderParameters(
  before: readonly string[],
  text: string | Uint8Array | undefined,
): string[] {
  const given = new Map<string, string | undefined>()
  for (const one of splitParameters(text)) {
    const [, name, value] = /^(ret|envid)=(.*)$/is.exec(one) ?? []
    if (name?.toUpperCase() === 'RET') given.set('RET', postfixRet(value!))
    else if (name !== undefined) given.set('ENVID', postfixEnvid(value!))
  }
  const taken = [...given].filter(([, value]) => value !== undefined)
  const names = new Set(taken.map(([name]) => name))
  const kept = before.filter((one) => !names.has(one.replace(/=.*/s, '').toUpperCase()))
  return [...kept, ...taken.map(([name, value]) => `${name}=${value}`)]
}

const postfixRet = (value: string): string | undefined =>
  /^(?:full|hdrs)$/i.test(value) ? value.toUpperCase() : undefined

/** The decoded value must be printable. */
const postfixEnvid = (value: string): string | undefined =>
  /^(?:[ -*,-~]|\+(?:[2-6][0-9a-f]|7[0-9a-e]|09))+$/i.test(value)
    ? encodedXtext(decodedXtext(value))
    : undefined

/** Parameters that need a value. Without one, Sendmail crashes. */
const VALUED = new Set(['SIZE', 'BODY', 'ENVID', 'RET', 'AUTH', 'BY'])

/**
 * The same for Sendmail. It takes the parameters of MAIL, and some wrong ones too. After the first that it complains
 * about, it ignores all others (srvrsmtp.c mail_esmtp_args, parse_esmtp_args).
 */
export function sendmailSenderParameters(text: string | Uint8Array): string[] | EditFailure {
  const taken = new Map<string, string | undefined>()
  for (const { name, value } of sendmailWords(text)) {
    if (value === undefined && VALUED.has(name)) return CRASH
    const good = isTaken(name, value ?? '') && !(taken.has(name) && ONCE.has(name))
    if (name === 'RET') taken.set(name, ret(taken.get(name), value!))
    else if (good || name === 'ENVID' || name === 'BODY') taken.set(name, value)
    // AUTH clears errors.
    if (!good && name !== 'AUTH') break
  }
  return Array.from(taken, ([name, value]) => (value === undefined ? name : `${name}=${value}`))
}

const ONCE = new Set(['ENVID', 'RET', 'AUTH'])

function isTaken(name: string, value: string): boolean {
  switch (name) {
    case 'RET':
      return /^(?:full|hdrs)$/i.test(value)
    case 'BODY':
      return /^(?:7bit|8bitmime)$/i.test(value)
    case 'ENVID':
    case 'AUTH':
      return isXtext(value)
    case 'BY':
      return /^-?\d{1,9};[nr]t?$/i.test(value)
    default:
      return name === 'SIZE' || name === 'SMTPUTF8'
  }
}

/** A wrong value means FULL, but an HDRS that was set stays. */
const ret = (before: string | undefined, value: string): string =>
  before === 'HDRS' || /^hdrs$/i.test(value) ? 'HDRS' : 'FULL'

const CRASH: EditFailure = {
  effect: 'crash',
  reason: 'a parameter of the sender without its value, for which Sendmail crashes',
}
