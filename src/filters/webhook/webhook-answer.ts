/** What the service answers, checked as a whole: of an answer with one mistake, nothing counts. */
import { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'
import { isPlainObject } from '../../options/plain-object.ts'
import type { HttpAnswer } from '../http/http-exchange.ts'

export type WebhookEdit =
  | { readonly edit: 'addField' | 'setField'; readonly name: string; readonly value: string }
  | { readonly edit: 'removeField'; readonly name: string }
  | {
      readonly edit: 'addRecipient' | 'removeRecipient' | 'setSender'
      readonly address: string
    }

/** The body of an answer. All of it may be left out. */
export interface WebhookAnswer {
  readonly version?: 1
  /** `pass` by default */
  readonly verdict?: 'pass' | 'refuse' | 'defer' | 'quarantine' | 'discard'
  /** for the log, for the SMTP reply of `refuse` and `defer`, and as the reason of `quarantine` */
  readonly text?: string
  /** for `pass` and `quarantine`, in this order */
  readonly edits?: readonly WebhookEdit[]
}

/** The answer cannot be used. */
export class InvalidAnswer extends Error {}

const VERDICTS = ['pass', 'refuse', 'defer', 'quarantine', 'discard']
const NAMES = new Set(['version', 'verdict', 'text', 'edits'])
const MAX_EDITS = 100
const MAX_TEXT = 500
const FIELD = /^[!-9;-~]{1,200}$/
/** What an edit has to be in `allow` for. */
const ALLOWANCE: Readonly<Record<WebhookEdit['edit'], string>> = {
  addField: 'fields',
  setField: 'fields',
  removeField: 'fields',
  addRecipient: 'recipients',
  removeRecipient: 'recipients',
  setSender: 'sender',
}

export interface AnswerRules {
  readonly allow: readonly string[]
  readonly content: 'none' | 'header' | 'whole'
}

/** @throws InvalidAnswer */
export function readAnswer({ status, body }: HttpAnswer, rules: AnswerRules): WebhookAnswer {
  if (status === 204) return {}
  if (status !== 200) throw new InvalidAnswer(`the service answers ${status}`)
  let answer: unknown
  try {
    answer = JSON.parse(body.toString('utf8'))
  } catch {
    throw new InvalidAnswer('the answer is not JSON')
  }
  if (!isPlainObject(answer)) throw new InvalidAnswer('the answer is no object')
  const other = Object.keys(answer).find((name) => !NAMES.has(name))
  if (other !== undefined) throw new InvalidAnswer(`the answer has ${shown(other)}`)
  const { version = 1, verdict = 'pass', text, edits = [] } = answer
  if (version !== 1) throw new InvalidAnswer(`the version of the answer is ${shown(version)}`)
  if (!VERDICTS.includes(verdict as string)) {
    throw new InvalidAnswer(`the verdict is ${shown(verdict)}; it takes ${VERDICTS.join(', ')}`)
  }
  if (verdict !== 'pass' && !rules.allow.includes(verdict as string)) {
    throw new InvalidAnswer(`the verdict ${String(verdict)} is not in allow`)
  }
  // oxlint-disable-next-line eslint/no-control-regex -- it would end the line of a reply
  if (text !== undefined && (typeof text !== 'string' || /[\0-\x1f\x7f]/.test(text))) {
    throw new InvalidAnswer('the text has to be text in one line')
  }
  if (!Array.isArray(edits) || edits.length > MAX_EDITS) {
    throw new InvalidAnswer(`the edits have to be a list of at most ${MAX_EDITS}`)
  }
  return {
    verdict: verdict as 'pass',
    ...(text !== undefined && text !== '' && { text: text.slice(0, MAX_TEXT) }),
    edits: edits.map((edit, i) => readEdit(edit, i, rules)),
  }
}

function readEdit(given: unknown, index: number, { allow, content }: AnswerRules): WebhookEdit {
  const wrong = (why: string): never => {
    throw new InvalidAnswer(`edits[${index}] ${why}`)
  }
  if (!isPlainObject(given)) return wrong('is no object')
  const { edit, name, value, address, ...others } = given
  const [other] = Object.keys(others)
  if (other !== undefined) return wrong(`has ${shown(other)}`)
  if (typeof edit !== 'string' || !Object.hasOwn(ALLOWANCE, edit)) {
    return wrong(`has an unknown edit: ${shown(edit)}`)
  }
  const kind = edit as WebhookEdit['edit']
  if (!allow.includes(ALLOWANCE[kind])) return wrong(`needs ${ALLOWANCE[kind]} in allow`)
  if (kind === 'addRecipient' || kind === 'removeRecipient' || kind === 'setSender') {
    if (name !== undefined || value !== undefined || typeof address !== 'string') {
      return wrong('takes an address')
    }
    try {
      const checked = EnvelopeAddress.of(address)
      if (checked.address === '' && kind !== 'setSender') return wrong('has an empty address')
    } catch (error) {
      return wrong((error as Error).message)
    }
    return { edit: kind, address }
  }
  if (address !== undefined || typeof name !== 'string' || !FIELD.test(name)) {
    return wrong('takes the name of a field')
  }
  if (content === 'none' && kind !== 'addField') return wrong('needs content: header or whole')
  if (kind === 'removeField')
    return value === undefined ? { edit: kind, name } : wrong('takes no value')
  // oxlint-disable-next-line eslint/no-control-regex -- it would end the field
  if (typeof value !== 'string' || /[\0\r\n]/.test(value))
    return wrong('takes a value in one line')
  return { edit: kind, name, value }
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? 'undefined').slice(0, 60)
