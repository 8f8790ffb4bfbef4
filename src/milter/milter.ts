import type { AddressFamily } from '../protocol/commands.ts'
import type { CloseReason } from '../session/events.ts'
import { Base } from './base.ts'
import type { MessageAnswer } from './handlers.ts'
import { noReply } from './marks.ts'

/**
 * A `Base` that logs its main callbacks, one line each, as pymilter's `Milter.Milter`. What belongs to the
 * message (addresses and header fields) is logged at level debug, all else at level info.
 * The logging callbacks need no reply, so they cost no round trip; override what you want to answer.
 */
export class Milter extends Base {
  override connect(
    hostname: string,
    family: AddressFamily,
    address: string | undefined,
    port: number | undefined,
  ): ReturnType<Base['connect']> {
    this.log.info({ hostname, family, address, port }, 'connect')
  }

  override helo(name: string): ReturnType<Base['helo']> {
    this.log.info({ name }, 'helo')
  }

  override envfrom(sender: string, ...parameters: string[]): MessageAnswer {
    this.log.debug({ sender, parameters: parameters.join(' ') }, 'envfrom')
  }

  override envrcpt(recipient: string, ...parameters: string[]): MessageAnswer {
    this.log.debug({ recipient, parameters: parameters.join(' ') }, 'envrcpt')
  }

  override header(name: string, value: string): MessageAnswer {
    this.log.debug({ name, value }, 'header')
  }

  override eoh(): MessageAnswer {
    this.log.info('eoh')
  }

  override eom(): MessageAnswer {
    this.log.info('eom')
  }

  override abort(): void | Promise<void> {
    this.log.info('abort')
  }

  override close(reason: CloseReason): void | Promise<void> {
    this.log.info({ reason }, 'close')
  }

  static {
    for (const stage of ['connect', 'helo', 'envfrom', 'envrcpt', 'header', 'eoh'] as const) {
      noReply(this.prototype[stage] as unknown as () => void)
    }
  }
}
