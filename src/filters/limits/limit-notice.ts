/** Tells the administrator that a limit is used up: once in a while for each limit, over all workers. */
import { randomUUID } from 'node:crypto'
import type { Mail } from '../../message/mail.ts'
import { parseHostAndPort } from '../../net/host-port.ts'
import { storeKey } from '../../store/store-key.ts'
import { StoreError } from '../../errors.ts'
import { StoreUse } from '../../store/store-use.ts'
import type { Store } from '../../store/store.ts'
import { sendMail } from '../../toolkit/smtp/send-mail.ts'
import type { RateLimitNoticeSettings } from '../types.ts'

/** What is above its limit. */
export interface Excess {
  /** `login alice` */
  readonly who: string
  /** `messages 10/60s` */
  readonly limit: string
}

export interface NoticeSettings {
  readonly name: string
  readonly every: number
  readonly notice: RateLimitNoticeSettings | undefined
}

/** Mails that may be on their way at the same time. */
const MAX_MAILS = 4
/** Milliseconds that one may take. */
const MAIL_TIME = 30_000

export class LimitNotices {
  readonly #use: StoreUse
  readonly #settings: NoticeSettings
  #sending = 0

  constructor(store: Store, settings: NoticeSettings) {
    // Told twice is better than not told.
    this.#use = new StoreUse(store, {
      name: `${settings.name.slice(0, 25)}-notice`,
      onFailure: 'local',
    })
    this.#settings = settings
  }

  async tell(mail: Mail, { who, limit }: Excess): Promise<void> {
    const { name, every, notice } = this.#settings
    const own = randomUUID()
    const key = storeKey(`${name}-notice`, who, limit)
    try {
      const first = await this.#use.run(
        async (store) => await store.setIfAbsent(key, own, { ttl: every, signal: mail.signal }),
        own,
      )
      if (first !== own) return
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
    }
    mail.log.warn({ who, limit }, 'a limit is used up')
    if (notice !== undefined) this.#send(mail, notice, `${who} has used up a limit: ${limit}`)
  }

  /** Nobody waits for it. */
  #send(mail: Mail, notice: RateLimitNoticeSettings, text: string): void {
    const { log } = mail
    if (this.#sending >= MAX_MAILS) {
      log.warn({ text }, 'a notice was not sent: others are on their way')
      return
    }
    this.#sending++
    const { host, port } = parseHostAndPort(notice.server)!
    sendMail(
      { host, port },
      { sender: '', recipients: notice.to, message: noticeOf(notice, text) },
      { timeouts: { total: MAIL_TIME } },
    )
      .then(({ recipients }) => {
        const failed = recipients.filter(({ outcome }) => outcome !== 'accepted')
        if (failed.length > 0) log.warn({ failed: failed.length }, 'a notice was not sent')
      })
      .catch((err: unknown) => log.warn({ err }, 'a notice was not sent'))
      .finally(() => this.#sending--)
  }
}

const noticeOf = ({ from, to }: RateLimitNoticeSettings, text: string): Buffer => {
  // What a client chose cannot begin another line.
  const said = text.replaceAll(/[^ -~]/g, '?')
  const lines = [
    `From: ${from}`,
    `To: ${to.join(', ')}`,
    `Subject: ${said.slice(0, 200)}`,
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${randomUUID()}@tsmilter.invalid>`,
    'Auto-Submitted: auto-generated',
    '',
    `${said}.`,
    '',
  ]
  return Buffer.from(lines.join('\r\n'))
}
