import { execFile } from 'node:child_process'
import type { Logger } from '../../diagnostics/log.ts'
import { MAX_TIMER } from '../../options/kinds.ts'

/**
 * Tells systemd how the service is doing (sd_notify(3)). That goes to a datagram socket of the unix
 * family, which Node does not have; so the program `systemd-notify` does it, which is there where
 * systemd is. The unit needs `NotifyAccess=all`, as the message comes from another process.
 *
 * Without NOTIFY_SOCKET in the environment nothing happens.
 */
export class Notifier {
  readonly #env: Readonly<NodeJS.ProcessEnv>
  readonly #log: Logger
  /** one after the other: the order counts */
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
    // Type=notify-reload wants to know when, by CLOCK_MONOTONIC, which hrtime is.
    this.#notify('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`)
  }

  stopping(): void {
    if (!this.#stopping) this.#notify('STOPPING=1')
    this.#stopping = true
  }

  /** Says that all is well, twice as often as systemd wants to hear it, while `healthy` says so. */
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
