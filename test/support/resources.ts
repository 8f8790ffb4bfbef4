// What a test opens is given back at its end, also when it fails in the middle: an open server or
// a child process would keep its file, and with it the whole run, from ending.
import type { ChildProcess } from 'node:child_process'
import { afterEach } from 'node:test'
import { setTimeout } from 'node:timers/promises'

type Release = () => unknown
const releases: Release[] = []

afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release()
})

/** Calls `release` at the end of the running test, whatever becomes of it. It may come twice. */
export function atEnd(release: Release): void {
  releases.push(release)
}

/** Ends the child at the end of the running test, if it has not ended by itself. */
export function killAtEnd<T extends ChildProcess>(child: T): T {
  atEnd(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  })
  return child
}

/** Waits until something is true: at most ten seconds, for what takes milliseconds. */
export async function until(what: () => boolean): Promise<void> {
  const end = Date.now() + 10_000
  while (!what()) {
    if (Date.now() > end) throw new Error(`not within 10 s: ${what.toString()}`)
    await setTimeout(5)
  }
}
