import { execFile } from 'node:child_process'
import type { Logger } from '../../diagnostics/log.ts'
import { MAX_TIMER } from '../../options/kinds.ts'

/**
 * Notifies systemd of the state of the service (sd_notify(3)). That needs a unix datagram socket, which Node does not
 * have. So the program `systemd-notify` sends the message; it is part of systemd. The unit needs `NotifyAccess=all`,
 * because the message comes from another process.
 *
 * Without NOTIFY_SOCKET in the environment it does nothing.
 */
export class Notifier {
  readonly #env: Readonly<NodeJS.ProcessEnv>
  readonly #log: Logger
  /** one message after the other, because their order matters */
  #sent: Promise<void> = Promise.resolve()
  #failed = false
  #watchdog: NodeJS.Timeout | undefined
  #stopping = false

  constructor(env: Readonly<NodeJS.ProcessEnv>, log: Logger) {
    this.#env = env
    this.#log = log
  }

  ready(): void {
    this.#notify('READY=1')
  }

  reloading(): void {
    // Type=notify-reload needs the time of CLOCK_MONOTONIC, which is what hrtime returns.
    this.#notify('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`)
  }

  stopping(): void {
    if (!this.#stopping) this.#notify('STOPPING=1')
    this.#stopping = true
  }

  /** Pings the watchdog of systemd at half its interval, as long as `healthy` returns true. */
  watchdog(healthy: () => boolean): void {
    const { WATCHDOG_USEC, WATCHDOG_PID } = this.#env
    const interval = Math.floor(Number(WATCHDOG_USEC) / 2_000)
    if (!(interval > 0)) return
    if (WATCHDOG_PID !== undefined && Number(WATCHDOG_PID) !== process.pid) return
    this.#watchdog = setInterval(
      () => {
        if (this.#stopping || healthy()) this.#notify('WATCHDOG=1')
      },
      Math.min(interval, MAX_TIMER),
    )
    this.#watchdog.unref()
  }

  close(): void {
    clearInterval(this.#watchdog)
  }

  #notify(...assignments: readonly string[]): void {
    if (!this.#env['NOTIFY_SOCKET']) return
    this.#sent = this.#sent.then(
      () =>
        new Promise((resolve) => {
          execFile('systemd-notify', assignments, { timeout: 10_000 }, (error) => {
            if (error !== null && !this.#failed) {
              this.#failed = true
              this.#log.warn({ reason: error.message }, 'cannot notify systemd')
            }
            resolve()
          })
        }),
    )
  }
}
