/** The ready-made filter that edits the header by rules, or refuses or holds mail by it. Patterns take a bounded time. */
import { TableError, UsageError } from '../../errors.ts'
import type { MessageFilter } from '../../message/define-filter.ts'
import type { HeaderField } from '../../message/headers.ts'
import type { Mail } from '../../message/mail.ts'
import { Turns } from '../../mime/turns.ts'
import { readShape } from '../../options/shape.ts'
import { replyLines } from '../../protocol/smtp-reply.ts'
import { decodeText, encodeText } from '../../protocol/text.ts'
import { reply, type Verdict } from '../../session/verdict.ts'
import { TooMuchWork, type Pattern } from '../../toolkit/patterns/pattern.ts'
import { withGroups } from '../../toolkit/tables/pattern-rule.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import type { HeaderRuleSettings, HeaderRulesOptions, HeaderRulesSettings } from '../types.ts'
import { fieldIn, HeaderChecks } from './header-checks.ts'
import { globTest, HEADER_RULES } from './header-rules-options.ts'
import { readOptionFile } from './option-files.ts'
import { signersByName } from './signed-names.ts'

/**
 * What became of a message:
 *
 * - `edited`: its header has changed
 * - `header-rule`: a rule refuses or holds it
 * - `logged`: a rule only logs it
 * - `signed`: a rule matches, but its field is signed, and `signed` is `keep`
 * - `invalid`: a rule matches, but its field cannot have the new text
 * - `no-match`: no rule matches
 */
export type HeaderRulesReason =
  'edited' | 'header-rule' | 'logged' | 'signed' | 'invalid' | 'no-match'

/** Characters of a field that patterns see. */
const MAX_TEXT = 10_000
/** Steps of the patterns of one rule or table for one field: at most about a second. */
const MAX_WORK = 10_000_000
/** Lines about single rules in the log. */
const MAX_TOLD = 20

interface OwnRule extends HeaderRuleSettings {
  readonly where: string
  /** whether it is about a field of that name */
  readonly names: (name: string) => boolean
  readonly conditions: readonly {
    readonly names: (name: string) => boolean
    readonly matches: Pattern | undefined
    readonly not: boolean
  }[]
  readonly newText: string
}

/**
 * Makes the filter. Patterns and files are read now, so a mistake shows at the start, with its line.
 *
 *     headerRules({ rules: [{ remove: 'X-Mailer' }, { add: 'X-Company', value: 'Example Ltd.' }] })
 *
 * @throws UsageError INVALID_OPTION, INVALID_ENTRY
 */
export function headerRules(options: HeaderRulesOptions): MessageFilter {
  const given = readShape(HEADER_RULES, options)
  const rules = given.rules.map(ownRule)
  const tables = given.headerChecks.map((name) => new HeaderChecks(name))
  const holds = rules.some(({ hold }) => hold !== undefined) || tables.length > 0
  return readyMade(given, (results) => ({
    edits: holds ? ['headers', 'quarantine'] : ['headers'],
    reads: ['headers'],
    message: (mail) => new Run(mail, given, results).all(rules, tables),
  }))
}

function ownRule(rule: HeaderRuleSettings, i: number): OwnRule {
  const where = `rules[${i}]`
  const { add, replace, remove, refuse, hold, log, value, valueFile } = rule
  const text =
    valueFile === undefined
      ? (value ?? '')
      : readOptionFile(`headerRules: the option ${where}.valueFile`, valueFile).trim()
  if (/[\r\n\0]/.test(text)) {
    throw new UsageError(
      'INVALID_OPTION',
      `headerRules: the option ${where}.valueFile: ${valueFile} has several lines; it takes one`,
    )
  }
  return {
    ...rule,
    where,
    names: globTest(add ?? replace ?? remove ?? refuse ?? hold ?? log ?? ''),
    conditions: (rule.if ?? []).map(({ field, matches, not }) => ({
      names: globTest(field),
      matches,
      not,
    })),
    newText: text,
  }
}

/** One message. */
class Run {
  readonly #mail: Mail
  readonly #settings: HeaderRulesSettings
  readonly #results: ResultLog
  readonly #turns = new Turns()
  readonly #told: string[] = []
  readonly #broken = new Set<string>()
  #signers: ReadonlyMap<string, ReadonlySet<string>> | undefined
  #edits = 0
  #kept = 0
  #invalid = 0
  #held: string | undefined

  constructor(mail: Mail, settings: HeaderRulesSettings, results: ResultLog) {
    this.#mail = mail
    this.#settings = settings
    this.#results = results
  }

  async all(
    rules: readonly OwnRule[],
    tables: readonly HeaderChecks[],
  ): Promise<Verdict<'reject' | 'tempfail'> | undefined> {
    for (const rule of rules) {
      const refusal = await this.#rule(rule)
      if (refusal !== undefined) return this.#refuse(refusal)
    }
    for (const table of tables) {
      const refusal = await this.#table(table)
      if (refusal !== undefined) return this.#refuse(refusal)
    }
    if (this.#held !== undefined) this.#mail.quarantine(this.#held)
    this.#tell()
    return undefined
  }

  // ---- rules of the configuration

  /** @returns the text of a refusal */
  async #rule(rule: OwnRule): Promise<string | undefined> {
    for (const { names, matches, not } of rule.conditions) {
      if (((await this.#first(names, matches, rule.where)) === undefined) !== not)
        return undefined
    }
    const { headers } = this.#mail
    if (rule.add !== undefined) {
      const { add: name, place, before, after, newText } = rule
      this.#edit(rule.where, `add ${name}`, name, () => {
        if (before !== undefined && headers.has(before))
          headers.insertBefore(before, name, newText)
        else if (after !== undefined && headers.has(after))
          headers.insertAfter(after, name, newText)
        else if (place === 'top' || before !== undefined) headers.insertFirst(name, newText)
        else headers.append(name, newText)
      })
      return undefined
    }
    for (const field of headers.fields()) {
      if (!rule.names(field.name)) continue
      const groups = await this.#groups(field.value, rule.matches, rule.where)
      if (groups === undefined) continue
      const { name } = field
      if (rule.refuse !== undefined) return this.#match(rule.where, `refuse ${name}`, rule.text)
      if (rule.hold !== undefined) this.#hold(rule.where, name, rule.text)
      else if (rule.log !== undefined) this.#match(rule.where, `log ${name}`)
      else if (rule.remove !== undefined) {
        this.#edit(rule.where, `remove ${name}`, name, () => field.remove())
      } else {
        const text =
          rule.matches === undefined ? rule.newText : withGroups(rule.newText, groups)
        // Decoded text can have line breaks.
        const clean = text.replaceAll(/\p{Cc}+/gu, ' ').trim()
        if (clean === field.value) continue
        this.#edit(rule.where, `replace ${name}`, name, () => {
          field.value = clean
        })
      }
    }
    return undefined
  }

  async #first(
    names: (name: string) => boolean,
    matches: Pattern | undefined,
    where: string,
  ): Promise<HeaderField | undefined> {
    for (const field of this.#mail.headers.fields()) {
      if (!names(field.name)) continue
      if ((await this.#groups(field.value, matches, where)) !== undefined) return field
    }
    return undefined
  }

  async #groups(
    text: string,
    pattern: Pattern | undefined,
    where: string,
  ): Promise<readonly string[] | undefined> {
    if (pattern === undefined) return []
    return await this.#bounded(text, where, (cut) => pattern.match(cut, { left: MAX_WORK }))
  }

  /** In turns with other mail, and in bounded time. */
  async #bounded<T>(text: string, where: string, look: (text: string) => T): Promise<T> {
    await this.#turns.next()
    this.#mail.signal.throwIfAborted()
    try {
      return look(text.slice(0, MAX_TEXT))
    } catch (cause) {
      if (!(cause instanceof TooMuchWork)) throw cause
      throw new TableError(
        'LOOKUP_FAILED',
        `${where} takes more than ${MAX_WORK} steps for a field; write shorter repeats`,
        { cause },
      )
    }
  }

  // ---- header_checks(5)

  async #table(table: HeaderChecks): Promise<string | undefined> {
    for (const field of this.#mail.headers.fields()) {
      const raw = decodeText(field.raw).replaceAll('\r\n', '\n')
      const checked = await this.#bounded(`${field.name}:${raw}`, 'headerChecks', (text) =>
        table.find(text, { left: MAX_WORK }),
      )
      if (checked === undefined) continue
      const { action, text, rule } = checked
      const { name } = field
      switch (action) {
        case 'REJECT':
          return this.#match(rule, `refuse ${name}`, text)
        case 'HOLD':
          this.#hold(rule, name, text)
          break
        case 'WARN':
        case 'INFO':
          this.#match(rule, `log ${name}: ${text}`)
          break
        case 'IGNORE':
        case 'STRIP':
          this.#edit(rule, `remove ${name}`, name, () => field.remove())
          break
        case 'REPLACE':
        case 'PREPEND':
          this.#write(rule, action, field, text)
          break
        case 'DUNNO':
        case 'OK':
          break
      }
    }
    return undefined
  }

  /** The text has bytes and encoded words as they came. */
  #write(rule: string, action: 'REPLACE' | 'PREPEND', field: HeaderField, text: string): void {
    const made = fieldIn(text)
    if (made === undefined) {
      this.#invalid++
      return void this.#match(rule, `${action} gives no field`)
    }
    const bytes = encodeText(made.value)
    const { headers } = this.#mail
    const isSame = made.name.toLowerCase() === field.name.toLowerCase()
    const what = action === 'REPLACE' ? `replace ${field.name}` : `add ${made.name}`
    this.#edit(rule, what, action === 'REPLACE' ? field.name : made.name, () => {
      if (action === 'REPLACE' && isSame) field.raw = bytes
      else {
        headers.insertBefore(field, made.name, bytes)
        if (action === 'REPLACE') field.remove()
      }
    })
  }

  // ---- what was done

  #match(where: string, what: string, text?: string): string {
    this.#told.push(`${where}: ${what.slice(0, 200)}`)
    return text ?? ''
  }

  #hold(where: string, name: string, text: string | undefined): void {
    this.#match(where, `hold ${name}`)
    this.#held ??= (text || `header rule ${where}`).replaceAll(/[^ -~]+/g, '?').slice(0, 200)
  }

  #edit(where: string, what: string, name: string, edit: () => void): void {
    this.#signers ??= signersByName(this.#mail)
    const signers = this.#signers.get(name.toLowerCase())
    if (signers !== undefined && this.#settings.signed === 'keep') {
      this.#kept++
      this.#match(where, `not done, signed by ${[...signers].join(', ')}: ${what}`)
      return
    }
    try {
      edit()
    } catch (error) {
      // The field cannot have the text: an address that is none, or a text above the limit of the mail server.
      if (!(error instanceof UsageError) || error.code === 'ACTION_NOT_NEGOTIATED') throw error
      this.#invalid++
      this.#match(where, `not done, ${error.code}: ${what}`)
      return
    }
    this.#edits++
    this.#match(where, what)
    for (const domain of signers ?? []) this.#broken.add(`${name} (${domain})`)
  }

  get #facts(): object {
    const more = this.#told.length - MAX_TOLD
    return {
      rules: this.#told.slice(0, MAX_TOLD),
      ...(more > 0 && { more }),
      ...(this.#broken.size > 0 && { breaks: [...this.#broken].slice(0, MAX_TOLD) }),
    }
  }

  #refuse(text: string): Verdict<'reject' | 'tempfail'> {
    this.#results.tell(this.#mail, 'refused', 'header-rule', this.#facts)
    // As in header_checks(5), the text may begin with an enhanced code.
    const [, code, rest] = /^(5\.\d{1,3}\.\d{1,3})?\s*([^]*)$/.exec(text)!
    const said = rest!.replaceAll(/[^ -~]+/g, '?') || 'Message header not accepted'
    return reply(550, code ?? '5.7.1', ...replyLines(said))
  }

  #tell(): void {
    const tell = (
      result: 'passed' | 'changed' | 'held' | 'skipped',
      reason: HeaderRulesReason,
      level?: 'info' | 'warn',
    ): void => this.#results.tell(this.#mail, result, reason, this.#facts, level)

    const warn = this.#broken.size + this.#kept + this.#invalid > 0 ? 'warn' : undefined
    if (this.#held !== undefined) tell('held', 'header-rule', warn)
    else if (this.#edits > 0) tell('changed', 'edited', warn)
    else if (this.#invalid > 0) tell('skipped', 'invalid', warn)
    else if (this.#kept > 0) tell('skipped', 'signed', warn)
    else if (this.#told.length > 0) tell('passed', 'logged', 'info')
    else this.#results.tell(this.#mail, 'passed', 'no-match')
  }
}
