import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { postfixMissing } from './available.ts'
import { makeCertificate } from './certificate.ts'
import { findProgram, run } from './command.ts'
import type { HeldMessage, MailServer, StartOptions } from './mail-server.ts'
import { mainCf, masterCf, RECIPIENTS } from './postfix-config.ts'
import { PrivateServer, startOnSite, type Site } from './site.ts'

export interface PostfixOptions extends StartOptions {
  /** The filters also see what `submit` sends (non_smtpd_milters). */
  readonly nonSmtpdMilters?: boolean
  /** The processes that speak to filters run in a chroot, as Debian has it. */
  readonly chroot?: boolean
}

export interface PostfixServer extends MailServer {
  readonly name: 'postfix'
  /** Hands a message to Postfix's sendmail command, as a program on the same machine would. */
  submit(from: string, to: readonly string[], message: Buffer): Promise<void>
}

/** Starts a private Postfix. Rejects with its log if it does not come up. */
export async function startPostfix(options: PostfixOptions): Promise<PostfixServer> {
  const missing = postfixMissing()
  if (missing !== undefined) throw new Error(missing)
  return await startOnSite<PostfixServer>('postfix', async (site) => {
    const facts = await readFacts()
    await configure(site, options)
    makeQueue(site, facts)
    const etc = site.path('etc')
    const master = [join(facts.daemons, 'master'), '-c', etc]
    const [program, ...args] =
      options.hosts === undefined ? master : withHosts(site, options.hosts, master)
    await site.launch(program!, args, { MAIL_CONFIG: etc })
    return new Postfix(site, facts)
  })
}

/** The command in a namespace of its own for mounts, with an /etc/hosts of its own. */
function withHosts(site: Site, lines: readonly string[], command: readonly string[]): string[] {
  writeFileSync(site.path('hosts'), ['127.0.0.1\tlocalhost', ...lines, ''].join('\n'))
  const mount = 'mount --bind "$0" "$(readlink -f /etc/hosts)" && exec "$@"'
  const unshare = [findProgram('unshare') ?? 'unshare', '-m', '--propagation', 'private']
  return [...unshare, '/bin/sh', '-c', mount, site.path('hosts'), ...command]
}

class Postfix extends PrivateServer implements PostfixServer {
  readonly name = 'postfix'
  readonly #commands: string

  constructor(site: Site, facts: Facts) {
    super(site)
    this.#commands = facts.commands
  }

  async held(): Promise<HeldMessage[]> {
    const ids = readdirSync(this.site.path('spool', 'hold')).toSorted()
    const postcat = join(this.#commands, 'postcat')
    const show = async (id: string) => {
      const content = await run(postcat, ['-c', this.site.path('etc'), '-q', '-h', '-b', id])
      return { id, reason: undefined, content }
    }
    return await Promise.all(ids.map(show))
  }

  async queued(): Promise<number> {
    // In the direction in which a message moves: one that moves meanwhile is not overlooked.
    const queues = ['maildrop', 'incoming', 'active', 'deferred']
    return queues.reduce((sum, queue) => sum + completeFiles(this.site.path('spool', queue)), 0)
  }

  async submit(from: string, to: readonly string[], message: Buffer): Promise<void> {
    const sendmail = findProgram('sendmail') ?? join(this.#commands, 'sendmail')
    const args = ['-C', this.site.path('etc'), '-i', '-f', from, '--', ...to]
    await run(sendmail, args, message)
  }
}

/** Queue files in a directory and its hashed subdirectories. */
function completeFiles(directory: string): number {
  let count = 0
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) count += completeFiles(path)
    // While a message is still being received, its file is not executable (mail_queue.h,
    // MAIL_QUEUE_STAT_READY).
    else if (((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o100) !== 0) count++
  }
  return count
}

async function configure(site: Site, options: PostfixOptions): Promise<void> {
  const etc = site.path('etc')
  mkdirSync(etc)
  const tls = options.tls ? await makeCertificate(etc, 'mx.postfix.test') : undefined
  const main = mainCf({
    directory: site.directory,
    port: site.port,
    sinkPort: site.sink.port,
    options,
    nonSmtpdMilters: options.nonSmtpdMilters ?? false,
    tls,
  })
  writeFileSync(join(etc, 'main.cf'), main, 'latin1')
  writeFileSync(join(etc, 'master.cf'), masterCf(site.port, options.chroot ?? false))
  writeFileSync(join(etc, 'recipients'), RECIPIENTS)
  // Postfix waits while a configuration file is so young that somebody may still be writing it, in
  // each of its processes (safe_open and vstream_fstat in dict_load_file_xt): 2 s per start.
  const past = Date.now() / 1000 - 60
  for (const name of readdirSync(etc)) utimesSync(join(etc, name), past, past)
}

/** The queue's directories with owners and modes as postfix-script makes them. */
function makeQueue(site: Site, facts: Facts): void {
  const { owner, group } = facts
  make(site.path('data'), 0o700, owner, -1)
  make(site.path('spool'), 0o755, 0, 0)
  make(site.path('spool', 'pid'), 0o755, 0, 0)
  make(site.path('spool', 'maildrop'), 0o730, owner, group)
  make(site.path('spool', 'public'), 0o710, owner, group)
  const own = 'active bounce corrupt defer deferred flush hold incoming private saved trace'
  for (const name of own.split(' ')) make(site.path('spool', name), 0o700, owner, -1)
}

function make(path: string, mode: number, uid: number, gid: number): void {
  mkdirSync(path)
  chownSync(path, uid, gid)
  chmodSync(path, mode)
}

/** What this machine's Postfix was built with. */
interface Facts {
  readonly daemons: string
  readonly commands: string
  readonly owner: number
  readonly group: number
}

async function readFacts(): Promise<Facts> {
  const names = ['daemon_directory', 'command_directory', 'mail_owner', 'setgid_group']
  const text = await run(findProgram('postconf') ?? 'postconf', ['-d', ...names])
  const values = new Map(text.split('\n').map((line) => line.split(' = ') as [string, string]))
  const value = (name: string) => {
    const found = values.get(name)
    if (found === undefined) throw new Error(`postconf knows no ${name}`)
    return found
  }
  const group = await run('getent', ['group', value('setgid_group')])
  return {
    daemons: value('daemon_directory'),
    commands: value('command_directory'),
    owner: Number(await run('id', ['-u', value('mail_owner')])),
    group: Number(group.split(':')[2]),
  }
}
