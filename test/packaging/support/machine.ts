/** A machine with Debian: a root to change into, without systemd (../systemctl and ../journalctl stand in). */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sourcePath } from '../../conformance/support/program.ts'

export interface Ran {
  readonly status: number | null
  /** standard output and standard error */
  readonly said: string
}

/** dpkg has a terminal of its own, and ends lines as one does. */
const lines = (said: string): string => said.replaceAll('\r\n', '\n')

export class Machine {
  /** its directory on the machine that runs the test */
  readonly root: string

  constructor(root: string) {
    this.root = root
    // What maintainer scripts look for (sd_booted(3)).
    mkdirSync(this.path('/run/systemd/system'), { recursive: true })
    for (const name of ['systemctl', 'journalctl']) {
      copyFileSync(sourcePath('test', 'packaging', name), this.path(`/usr/bin/${name}`))
    }
  }

  path(inside: string): string {
    return join(this.root, inside)
  }

  read(inside: string): string {
    return readFileSync(this.path(inside), 'utf8')
  }

  has(inside: string): boolean {
    return existsSync(this.path(inside))
  }

  write(inside: string, text: string | Buffer): void {
    writeFileSync(this.path(inside), text)
  }

  /** Runs a line of a shell as root, in the home directory of root. */
  run(line: string): Ran {
    const [program, ...args] = this.#command(line)
    // A service that starts keeps no descriptor of this.
    const { status, stdout, stderr } = spawnSync(program!, args, { encoding: 'utf8' })
    return { status, said: lines(stdout + stderr) }
  }

  /** The same while the test goes on. */
  async runBeside(line: string): Promise<Ran> {
    const [program, ...args] = this.#command(line)
    const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text) => (said += String(text)))
    const [status] = (await once(child, 'close')) as [number | null]
    return { status, said: lines(said) }
  }

  #command(line: string): string[] {
    return ['chroot', this.root, 'sh', '-c', `cd && ${line}`]
  }
}
