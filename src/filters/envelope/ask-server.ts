/** Asks the next server whether it takes mail for a recipient, and sends nothing: MAIL, RCPT, QUIT. */
import { askHost } from '../../toolkit/bounces/call-back.ts'
import { failedBounce, type BounceResult } from '../../toolkit/bounces/bounce-result.ts'
import { Conversation } from '../../toolkit/smtp/conversation.ts'
import { checkAddress } from '../../toolkit/smtp/outgoing-mail.ts'
import { SmtpFailure } from '../../toolkit/smtp/smtp-failure.ts'
import { smtpSettings } from '../../toolkit/smtp/smtp-options.ts'
import { Waits } from '../../toolkit/smtp/waits.ts'

export interface NextServer {
  readonly host: string
  readonly port: number
  readonly protocol: 'smtp' | 'lmtp'
  readonly helo: string | undefined
  /** milliseconds for all of it */
  readonly timeout: number
}

/** @throws the reason of the signal */
export async function askServer(
  { host, port, protocol, helo, timeout }: NextServer,
  recipient: string,
  signal: AbortSignal,
): Promise<BounceResult> {
  const timeouts = { connect: timeout, reply: timeout, total: timeout }
  const settings = smtpSettings(
    { name: helo, protocol, timeouts, signal },
    { sendAmbiguousEnd: true },
  )
  const address = host === 'localhost' ? '127.0.0.1' : host
  try {
    const waits = new Waits(timeout, signal)
    const conversation = await Conversation.open(
      { host: address, port },
      address,
      settings,
      waits,
    )
    const asked = [checkAddress('recipient', recipient)]
    return await askHost(conversation, asked, checkAddress('sender', ''))
  } catch (error) {
    if (!(error instanceof SmtpFailure)) throw error
    return failedBounce(error.reason, error.message)
  }
}
