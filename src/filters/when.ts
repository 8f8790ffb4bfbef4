/**
 * A filter for some mail only. A stage is called if the condition is known to be true there. At `connect` and `helo`
 * nobody has logged in yet, and at `sender` there are no recipients: a condition about them is not known there.
 */
import { withDefinitions, type MessageFilter } from '../message/define-filter.ts'
import type { FilterDefinition } from '../message/definition.ts'
import type { MailConnection } from '../message/mail-connection.ts'
import type { StageContext } from '../message/stage-context.ts'
import { readShape } from '../options/shape.ts'
import { Networks } from '../server/networks.ts'
import { CONDITION } from './condition-options.ts'
import { directionOf } from './direction.ts'
import { domainTest } from './domain-test.ts'
import type { Condition, ConditionPartsSettings } from './types.ts'

/** What is known at a stage; undefined is not known. */
interface Facts {
  readonly connection: MailConnection
  /** whether a login would be known by now */
  readonly atMail: boolean
  readonly senderDomain: string | undefined
  readonly recipientDomains: readonly string[] | undefined
}

/** True, false, or undefined: not known yet. */
type Known = boolean | undefined

/**
 * Calls a filter only for the mail that the condition is about. With several recipients, a condition about recipients is
 * true for the message if it is for one of them.
 *
 *     when({ direction: ['authenticated', 'local'] }, dkimSign({ ... }))
 *
 * @throws UsageError INVALID_OPTION
 */
export function when(condition: Condition, filter: MessageFilter): MessageFilter {
  const { not, ...parts } = readShape(CONDITION, condition)
  const wanted = judgeOf(parts)
  const unwanted = not && judgeOf(not)
  const judge = (facts: Facts): Known => {
    const is = wanted(facts)
    const isNot = unwanted?.(facts) ?? (unwanted === undefined ? false : undefined)
    if (is === false || isNot === true) return false
    return is === undefined || isNot === undefined ? undefined : true
  }
  return withDefinitions(filter, (definition) => guarded(definition, judge))
}

function guarded(
  definition: FilterDefinition<unknown>,
  judge: (facts: Facts) => Known,
): FilterDefinition<unknown> {
  const { connect, helo, sender, recipient, headers, message } = definition
  const runs = (ctx: StageContext, facts: Omit<Facts, 'connection'>): boolean => {
    const known = judge({ connection: ctx.connection, ...facts })
    if (known !== true) {
      ctx.log.debug(
        { rule: 'when' },
        known === undefined ? 'not called: when is not known yet' : 'not called: when is false',
      )
    }
    return known === true
  }
  const early = { atMail: false, senderDomain: undefined, recipientDomains: undefined }
  const ofMail = (mail: {
    readonly sender: { readonly domain: string }
    readonly recipients: Iterable<{ readonly domain: string }>
  }): Omit<Facts, 'connection'> => ({
    atMail: true,
    senderDomain: mail.sender.domain,
    recipientDomains: Array.from(mail.recipients, ({ domain }) => domain),
  })
  return {
    ...definition,
    ...(connect && {
      connect: (connection, ctx) => (runs(ctx, early) ? connect(connection, ctx) : undefined),
    }),
    ...(helo && { helo: (name, ctx) => (runs(ctx, early) ? helo(name, ctx) : undefined) }),
    ...(sender && {
      sender: (address, ctx) =>
        runs(ctx, { atMail: true, senderDomain: address.domain, recipientDomains: undefined })
          ? sender(address, ctx)
          : undefined,
    }),
    ...(recipient && {
      recipient: (address, ctx) =>
        runs(ctx, {
          atMail: true,
          senderDomain: ctx.sender.domain,
          recipientDomains: [address.domain],
        })
          ? recipient(address, ctx)
          : undefined,
    }),
    ...(headers && {
      headers: (mail) => (runs(mail, ofMail(mail)) ? headers(mail) : undefined),
    }),
    ...(message && {
      message: (mail) => (runs(mail, ofMail(mail)) ? message(mail) : undefined),
    }),
  } satisfies FilterDefinition<unknown>
}

function judgeOf(parts: ConditionPartsSettings): (facts: Facts) => Known {
  const { direction, senderDomain, recipientDomain } = parts
  const networks = new Networks('networks', parts.networks)
  const tests: ((facts: Facts) => Known)[] = []
  if (direction !== undefined) {
    tests.push((facts) =>
      facts.atMail ? direction.includes(directionOf(facts, networks)) : undefined,
    )
  }
  if (senderDomain !== undefined) {
    const matches = domainTest(senderDomain)
    tests.push(({ senderDomain: domain }) =>
      domain === undefined ? undefined : matches(domain),
    )
  }
  if (recipientDomain !== undefined) {
    const matches = domainTest(recipientDomain)
    tests.push(({ recipientDomains: domains }) => domains?.some(matches))
  }
  return (facts) => {
    const known = tests.map((test) => test(facts))
    return known.includes(false) ? false : known.includes(undefined) ? undefined : true
  }
}
