/**
 * Asks the servers of an address whether they would take a bounce to it, and sends nothing (pymilter's `send_dsn` without a
 * message). DATA is never sent.
 */
import { UsageError } from '../../errors.ts'
import type { Conversation } from '../smtp/conversation.ts'
import { checkAddress, type CheckedAddress } from '../smtp/outgoing-mail.ts'
import { domainOf, endsWalk, MxSettings, type MxOptions } from '../smtp/send-mail.ts'
import { SmtpFailure } from '../smtp/smtp-failure.ts'
import { failedBounce, refusedBounce, type BounceResult } from './bounce-result.ts'
import type { CallBackCache } from './call-back-cache.ts'

export interface CallBackOptions extends MxOptions {
  /** the sender to ask with; the null sender by default, as bounces have it */
  readonly sender?: string | undefined
  /** keeps results, so that no server is asked twice about an address in a while */
  readonly cache?: CallBackCache | undefined
}

/**
 * Whether the servers of an address take bounces to it. Several addresses have to be of one domain.
 *
 * - 250 and 251 to RCPT are `ok`. Every other code is a refusal, of all addresses that have one.
 * - A refused MAIL is a refusal of all addresses (`step` is `mail`).
 * - A server that greets without a name, or with ours: 553.
 * - DNS has failed, no server answers, or the time is over: 450.
 *
 * Only 5yz means that the address is wrong. Other servers see each call-back as a probe: see docs/toolkit.md before you use
 * it, and give a cache. The options are those of `sendToMx`; use a small `timeouts.total`, because a client waits.
 *
 *     const result = await callBack('a@example.org', { dns, name: 'mx.example.net', cache })
 *     if (result.code !== undefined && result.code >= 500) return reply(550, '5.1.8', result.text)
 *
 * @throws UsageError INVALID_OPTION, INVALID_ADDRESS
 * @throws the reason of `signal`
 */
export async function callBack(
  addresses: string | readonly string[],
  options: CallBackOptions,
): Promise<BounceResult> {
  const settings = new MxSettings(options)
  const { sender = '', cache } = options
  const asked = [addresses].flat().map((one) => checkAddress('recipient', one))
  if (new Set(asked.map(domainOf)).size !== 1) {
    throw new UsageError(
      'INVALID_OPTION',
      'a call-back asks about at least one address, and all have to be of one domain',
    )
  }
  const from = checkAddress('sender', sender)
  const key = asked.length === 1 ? cacheKey(asked[0]!) : undefined
  const kept = key === undefined ? undefined : await cache?.get(key, { signal: options.signal })
  if (kept !== undefined) return kept
  const result = await ask(asked, from, settings)
  if (key !== undefined) await cache?.set(key, result, { signal: options.signal })
  return result
}

/** Domains have no case. */
const cacheKey = (address: CheckedAddress): string => {
  const domain = domainOf(address)
  return address.text.slice(0, address.text.length - domain.length) + domain
}

async function ask(
  asked: readonly CheckedAddress[],
  from: CheckedAddress,
  settings: MxSettings,
): Promise<BounceResult> {
  const waits = settings.waits()
  let last: SmtpFailure | undefined
  try {
    for await (const { open } of settings.hosts(domainOf(asked[0]!), waits)) {
      try {
        return await askHost(await open(), asked, from)
      } catch (error) {
        if (!(error instanceof SmtpFailure)) throw error
        last = error
        if (endsWalk(error)) break
      }
    }
  } catch (error) {
    if (!(error instanceof SmtpFailure)) throw error
    last = error
  }
  return failedBounce(last!.reason, last!.message)
}

/** @internal Asks one host. @throws SmtpFailure if it has no answer */
export async function askHost(
  conversation: Conversation,
  asked: readonly CheckedAddress[],
  from: CheckedAddress,
): Promise<BounceResult> {
  let broken = true
  try {
    const result = await envelope(conversation, asked, from)
    broken = false
    return result
  } finally {
    if (broken) conversation.destroy()
    else conversation.quit()
  }
}

async function envelope(
  conversation: Conversation,
  asked: readonly CheckedAddress[],
  from: CheckedAddress,
): Promise<BounceResult> {
  const utf8 = conversation.extension('SMTPUTF8') !== undefined
  const path = (address: CheckedAddress): Buffer => {
    const bytes = utf8 ? address.bytes : address.ascii
    if (bytes !== undefined) return Buffer.concat([LESS, bytes, GREATER])
    throw new SmtpFailure(
      'needs-smtputf8',
      'the address is not ASCII, and the server does not offer SMTPUTF8',
    )
  }
  // All paths are made first, so that nobody is asked in vain.
  const paths = asked.map((address) => [address.text, path(address)] as const)
  const parameter = utf8 && ![from, ...asked].every((one) => one.isAscii) ? ' SMTPUTF8' : ''
  const mail = await conversation.command(
    Buffer.concat([Buffer.from('MAIL FROM:'), path(from), Buffer.from(parameter)]),
    'MAIL',
  )
  if (mail.code !== 250) {
    return refusedBounce(
      'mail',
      asked.map(({ text }) => [text, mail]),
    )
  }
  const refused: [string, typeof mail][] = []
  for (const [address, bytes] of paths) {
    const reply = await conversation.command(
      Buffer.concat([Buffer.from('RCPT TO:'), bytes]),
      'RCPT',
    )
    if (reply.code !== 250 && reply.code !== 251) refused.push([address, reply])
  }
  return refused.length === 0 ? { outcome: 'ok' } : refusedBounce('rcpt', refused)
}

const LESS = Buffer.from('<')
const GREATER = Buffer.from('>')
