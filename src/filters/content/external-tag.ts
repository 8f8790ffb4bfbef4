/**
 * The ready-made filter that marks mail from outside: with a header field alone, which breaks no signature, or also with a
 * tag before the subject and a banner above the text.
 */
import { UsageError } from '../../errors.ts'
import type { MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import { placeFooter } from '../../mime/footer.ts'
import { readShape } from '../../options/shape.ts'
import { Networks } from '../../server/networks.ts'
import { directionOf } from '../direction.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import { openTableOption } from '../table-option.ts'
import type { ExternalTagOptions, ExternalTagSettings } from '../types.ts'
import { AddressPatterns } from './address-patterns.ts'
import { dmarcPassed, onlyAuthor } from './author.ts'
import { EXTERNAL_TAG } from './external-tag-options.ts'
import { FooterTemplate } from './footer-options.ts'
import { isForwarded, type ForwardedSettings } from './forwarded.ts'
import { hasTag } from './subject-tag.ts'

/**
 * What became of a message:
 *
 * - `tagged`: it has the field, and the tag and the banner that the options want
 * - `tagged-already`: it had all of that before
 * - `forwarded`: it has the field alone, because of forwarded recipients
 * - `forwarded-unknown`: the same, because the table could not be asked
 * - `authenticated`, `local`: it is not from outside
 * - `internal`: DMARC has passed for an author in `internalDomains`
 */
export type ExternalTagReason =
  | 'tagged'
  | 'tagged-already'
  | 'forwarded'
  | 'forwarded-unknown'
  | 'authenticated'
  | 'local'
  | 'internal'

/** What a banner may name. */
const BANNER_VARIABLES: readonly string[] = ['from.name', 'from.address', 'from.domain']
const BANNER_MARK = 'external-mail'

interface Settings extends ExternalTagSettings {
  readonly local: Networks
  readonly internal: AddressPatterns
  readonly leavesAgain: ForwardedSettings
  readonly template: FooterTemplate | undefined
}

/**
 * Makes the filter. Without options, it adds the header field only.
 *
 *     compose(authenticate(), externalTag({ subject: '[EXTERNAL]', internalDomains: 'example.org' }))
 *
 * @throws UsageError INVALID_OPTION, INVALID_ENTRY
 */
export function externalTag(options: ExternalTagOptions = {}): MessageFilter {
  const given = readShape(EXTERNAL_TAG, options)
  const { banner, forwardedTable: table } = given
  const settings: Settings = {
    ...given,
    local: new Networks('networks', given.networks),
    internal: new AddressPatterns(given.internalDomains),
    leavesAgain: {
      patterns: new AddressPatterns(given.forwarded),
      table:
        table === undefined
          ? undefined
          : openTableOption('externalTag: the option forwardedTable', table),
      oneIsEnough: given.mixed === 'header',
    },
    template:
      banner && new FooterTemplate(banner, 'externalTag: the option banner', BANNER_VARIABLES),
  }
  const content = banner === undefined ? (['headers'] as const) : (['headers', 'body'] as const)
  return readyMade(given, (results) => ({
    edits: content,
    reads: content,
    message: (mail) => tag(mail, settings, results),
  }))
}

async function tag(mail: Mail, settings: Settings, results: ResultLog): Promise<void> {
  const tell = (
    result: 'passed' | 'changed' | 'skipped',
    reason: ExternalTagReason,
    facts: object = {},
    level?: 'warn',
  ): void => results.tell(mail, result, reason, facts, level)

  const direction = directionOf(mail, settings.local)
  if (direction !== 'outside') return tell('skipped', direction)
  // Whatever comes from outside with our field has it from the sender.
  const forged = mail.headers.fields(settings.header).filter(({ value }) => value !== 'yes')
  const author = onlyAuthor(mail)
  const isInternal = author !== undefined && settings.internal.has(author)
  if (isInternal && dmarcPassed(mail, author.domain, settings.authservId)) {
    const removed = mail.headers.delete(settings.header)
    return tell('skipped', 'internal', {
      from: author.address,
      ...(removed > 0 && { removed }),
    })
  }
  const before = mail.headers.fields(settings.header).length
  if (before !== 1 || forged.length > 0) mail.headers.set(settings.header, 'yes')
  const facts = {
    ...(isInternal && { unproved: author.address }),
    ...(forged.length > 0 && { forged: forged.length }),
  }

  const forwarded = await isForwarded(mail, settings.leavesAgain)
  if (forwarded === true) return tell('changed', 'forwarded', facts)
  if (forwarded !== false) {
    return tell('changed', 'forwarded-unknown', { ...facts, ...forwarded }, 'warn')
  }
  const subject = settings.subject && tagSubjects(mail, settings.subject)
  const banner = settings.template && (await addBanner(mail, settings.template))
  const done = { ...facts, ...(subject && { subject }), ...(banner && { banner }) }
  const isNew =
    before !== 1 || forged.length > 0 || subject === 'tagged' || banner !== undefined
  if (isNew) tell('changed', 'tagged', done)
  else tell('passed', 'tagged-already', done)
}

/** Each `Subject`, since programs show different ones. Its old bytes stay. */
function tagSubjects(mail: Mail, tagText: string): 'tagged' | 'present' | 'too-long' {
  const subjects = mail.headers.fields('Subject')
  if (subjects.length === 0) {
    mail.headers.append('Subject', tagText)
    return 'tagged'
  }
  let done: 'tagged' | 'present' = 'present'
  for (const field of subjects) {
    const { value } = field
    if (hasTag(value, tagText)) continue
    try {
      field.value = value === '' ? tagText : `${tagText} ${value}`
      done = 'tagged'
    } catch (error) {
      // No mail server takes the field with a tag. It is not worth the message.
      if (error instanceof UsageError && error.code === 'TOO_LONG') return 'too-long'
      throw error
    }
  }
  return done
}

/** `once` stays off: the sender could write the banner where nobody sees it. */
async function addBanner(mail: Mail, template: FooterTemplate): Promise<string> {
  const author = mail.headers.mailboxes('From')[0]
  const values = new Map([
    ['from.name', author?.name || author?.address || ''],
    ['from.address', author?.address ?? ''],
    ['from.domain', author?.domain ?? ''],
  ])
  const { result } = await placeFooter(await mail.mime(), {
    ...template.filled(values),
    position: 'top',
    mark: BANNER_MARK,
  })
  return result
}
