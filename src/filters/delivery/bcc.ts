/** The ready-made filter that adds recipients by rules. No field of the message names them. */
import { UsageError } from '../../errors.ts'
import type { MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import { readShape } from '../../options/shape.ts'
import { Networks } from '../../server/networks.ts'
import { AddressPatterns } from '../content/address-patterns.ts'
import { directionOf, type Direction } from '../direction.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import type { BccOptions } from '../types.ts'
import { BCC } from './bcc-options.ts'
import { LoopMark, MARK_FIELD } from './loop-mark.ts'

/**
 * What became of a message:
 *
 * - `copied`: recipients were added
 * - `present`: all of them were recipients already
 * - `no-rule`: no rule matches
 * - `marked`: the copies were made before, by this filter or by another of your servers
 */
export type BccReason = 'copied' | 'present' | 'no-rule' | 'marked'

interface Rule {
  readonly to: readonly string[]
  readonly sender: AddressPatterns | undefined
  readonly recipient: AddressPatterns | undefined
  readonly direction: readonly string[] | undefined
}

interface Settings {
  readonly rules: readonly Rule[]
  readonly local: Networks
  readonly mark: LoopMark | undefined
}

/**
 * Makes the filter.
 *
 *     bcc({ rules: { to: 'archive@example.org', sender: 'example.org' } })
 *
 * @throws UsageError INVALID_OPTION
 */
export function bcc(options: BccOptions): MessageFilter {
  const given = readShape(BCC, options)
  const file = given.markKeyFile
  const settings: Settings = {
    rules: given.rules.map(({ to, sender, recipient, direction }) => ({
      to,
      sender: sender && new AddressPatterns(sender),
      recipient: recipient && new AddressPatterns(recipient),
      direction,
    })),
    local: new Networks('networks', given.networks),
    mark:
      file === undefined
        ? undefined
        : new LoopMark('bcc: the option markKeyFile', file, given.name),
  }
  return readyMade(given, (results) => ({
    edits: settings.mark === undefined ? ['recipients'] : ['recipients', 'headers'],
    // Without a mark the envelope is enough, and the mail server need not send the message.
    reads: settings.mark === undefined ? [] : ['headers', 'body'],
    message: (mail) => add(mail, settings, results),
  }))
}

async function add(mail: Mail, settings: Settings, results: ResultLog): Promise<void> {
  const { rules, local, mark } = settings
  const direction = directionOf(mail, local)
  const matching = rules.flatMap((rule, i) => (matches(rule, mail, direction) ? [i] : []))
  if (matching.length === 0) return results.tell(mail, 'skipped', 'no-rule')
  const written = mark && (await mark.of(mail))
  if (written !== undefined && direction !== 'outside' && mark!.isIn(mail, written)) {
    return results.tell(mail, 'skipped', 'marked')
  }
  // Nearly no server has mailboxes that differ only in case, and Postfix delivers to one of them once.
  const seen = new Set(mail.recipients.addresses.map((one) => one.toLowerCase()))
  const added = matching
    .flatMap((i) => rules[i]!.to)
    .filter((address) => !seen.has(address.toLowerCase()) && seen.add(address.toLowerCase()))
  if (added.length === 0) return results.tell(mail, 'passed', 'present')
  const rule = `rules[${matching[0]}]`
  for (const address of added) addSilently(mail, address)
  if (written !== undefined) mail.headers.prepend(MARK_FIELD, written)
  results.tell(mail, 'changed', 'copied', { added, rule })
}

function matches({ sender, recipient, direction }: Rule, mail: Mail, from: Direction): boolean {
  if (direction !== undefined && !direction.includes(from)) return false
  if (sender !== undefined && !sender.has(mail.sender)) return false
  return recipient === undefined || [...mail.recipients].some((one) => recipient.has(one))
}

/** The sender must not learn of the copy by a bounce or a notice about it, if the mail server can prevent that. */
function addSilently(mail: Mail, address: string): void {
  try {
    mail.recipients.add(address, 'NOTIFY=NEVER')
  } catch (error) {
    if (!(error instanceof UsageError && error.code === 'ACTION_NOT_NEGOTIATED')) throw error
    mail.recipients.add(address)
  }
}
