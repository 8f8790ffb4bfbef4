/**
 * The ready-made filter that lets users send only as themselves. Postfix checks the envelope (`smtpd_sender_login_maps`);
 * people read the field From, so this filter checks both.
 */
import { TableError } from '../../errors.ts'
import type { MessageFilter } from '../../message/define-filter.ts'
import type { HeadersMail } from '../../message/mail.ts'
import type { SenderStageContext, StageContext } from '../../message/stage-context.ts'
import type { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'
import { readShape } from '../../options/shape.ts'
import { replyLines } from '../../protocol/smtp-reply.ts'
import { reply, type Verdict } from '../../session/verdict.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import type { SenderAclOptions, SenderAclSettings } from '../types.ts'
import { SENDER_ACL } from './sender-acl-options.ts'
import { SenderRights, type SentAddress } from './sender-rights.ts'

/**
 * What became of a message:
 *
 * - `own`: all addresses are theirs
 * - `not-own-envelope`, `not-own-from`, `not-own-sender-field`: one is not; refused
 * - `null-sender`: users may not send with it (`nullSender: false`); refused
 * - `no-from`: there is no address in From, or more than 20, or several such fields; refused
 * - `not-authenticated`, `exempt`: not checked
 * - `failed`: a table could not be asked; `onFailure` decides
 */
export type SenderAclReason =
  | 'own'
  | 'not-own-envelope'
  | 'not-own-from'
  | 'not-own-sender-field'
  | 'null-sender'
  | 'no-from'
  | 'not-authenticated'
  | 'exempt'
  | 'failed'

type Refusal = Verdict<'reject' | 'tempfail'> | undefined

/**
 * Makes the filter.
 *
 *     await senderAcl({ allowed: 'hash:/etc/tsmilter/send-as' })
 *
 * @throws UsageError INVALID_OPTION
 */
export async function senderAcl(options: SenderAclOptions = {}): Promise<MessageFilter> {
  const given = readShape(SENDER_ACL, options)
  const rights = await SenderRights.open(given)
  const checks = new Set(given.check)
  return readyMade(given, (results) => {
    const judge = new Judge(rights, given, results)
    return {
      edits: [],
      reads: ['headers'],
      ...(checks.has('envelope') && {
        sender: async (sender: EnvelopeAddress, ctx: SenderStageContext) =>
          await judge.envelope(sender, ctx),
      }),
      headers: async (mail) => await judge.header(mail, checks),
    }
  })
}

class Judge {
  readonly #rights: SenderRights
  readonly #settings: SenderAclSettings
  readonly #log: ResultLog

  constructor(rights: SenderRights, settings: SenderAclSettings, log: ResultLog) {
    this.#rights = rights
    this.#settings = settings
    this.#log = log
  }

  async envelope(sender: EnvelopeAddress, ctx: StageContext): Promise<Refusal> {
    const login = this.#login(ctx)
    if (login === undefined) return undefined
    if (sender.address !== '') return await this.#each(login, [sender], ctx, 'not-own-envelope')
    if (this.#settings.nullSender) return undefined
    this.#log.tell(ctx, 'refused', 'null-sender', { login })
    return reply(553, '5.7.1', 'Users may not send with the null sender')
  }

  async header(mail: HeadersMail, checks: ReadonlySet<string>): Promise<Refusal> {
    const user = mail.connection.authenticated
    if (user === undefined) return this.#log.tell(mail, 'skipped', 'not-authenticated')
    const login = this.#login(mail)
    if (login === undefined) return this.#log.tell(mail, 'skipped', 'exempt', { login: user })
    if (checks.has('from')) {
      const authors = mail.headers.mailboxes('From')
      const { length } = mail.headers.fields('From')
      if (authors.length === 0 || authors.length > MAX_ADDRESSES || length !== 1) {
        this.#log.tell(mail, 'refused', 'no-from', { login })
        return reply(550, '5.7.1', 'The message needs one field From with an address')
      }
      const refused = await this.#each(login, authors, mail, 'not-own-from')
      if (refused !== undefined) return refused
    }
    if (checks.has('sender-field')) {
      const senders = mail.headers.mailboxes('Sender')
      const refused = await this.#each(login, senders, mail, 'not-own-sender-field')
      if (refused !== undefined) return refused
    }
    this.#log.tell(mail, 'passed', 'own', { login })
    return undefined
  }

  /** The login, if it is not exempt. */
  #login({ connection }: Pick<StageContext, 'connection'>): string | undefined {
    const { authenticated } = connection
    return authenticated === undefined || this.#rights.isExempt(authenticated)
      ? undefined
      : authenticated
  }

  async #each(
    login: string,
    addresses: readonly SentAddress[],
    ctx: StageContext,
    reason: SenderAclReason,
  ): Promise<Refusal> {
    try {
      for (const address of addresses) {
        // oxlint-disable-next-line eslint/no-await-in-loop -- the first one that is not theirs decides
        if (await this.#rights.has(login, lowerDomain(address), ctx)) continue
        const shown = `${address.local}@${address.domain}`
        this.#log.tell(ctx, 'refused', reason, { login, address: shown })
        const text = `You have logged in as ${login}, which may not send as ${shown}`
        return reply(553, '5.7.1', ...replyLines(text))
      }
    } catch (error) {
      if (!(error instanceof TableError)) throw error
      const facts = { login, why: error.message }
      if (this.#settings.onFailure === 'pass') {
        return this.#log.tell(ctx, 'passed', 'failed', facts, 'warn')
      }
      this.#log.tell(ctx, 'deferred', 'failed', facts, 'warn')
      return reply(451, '4.3.0', 'The sender cannot be checked now: try again later')
    }
    return undefined
  }
}

/** Authors of one message: each can be a question to a database. */
const MAX_ADDRESSES = 20

const lowerDomain = ({ local, domain }: SentAddress): SentAddress => ({
  local,
  domain: domain.toLowerCase(),
})
