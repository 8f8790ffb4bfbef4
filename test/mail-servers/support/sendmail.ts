import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { sendmailMissing, sendmailRoot } from './available.ts'
import { makeCertificate } from './certificate.ts'
import { findProgram, run } from './command.ts'
import { openLogSocket } from './log-socket.ts'
import type { HeldMessage, MailServer, StartOptions } from './mail-server.ts'
import { parseMilterAddress } from './milter-address.ts'
import { ACCESS, sendmailMc, socketFolder } from './sendmail-config.ts'
import { PrivateServer, startOnSite, type Site } from './site.ts'

export interface SendmailServer extends MailServer {
  readonly name: 'sendmail'
}

/** Starts a private Sendmail. Rejects with its log if it does not come up. */
export async function startSendmail(options: StartOptions): Promise<SendmailServer> {
  const missing = sendmailMissing()
  if (missing !== undefined) throw new Error(missing)
  return await startOnSite<SendmailServer>('sendmail', async (site) => {
    const programs = join(sendmailRoot(), 'usr/libexec/sendmail')
    await configure(site, options, programs)
    site.defer(await openLogSocket(site.path('log.sock'), site.logFile))
    const namespaces = '-m -u -p --fork --kill-child --mount-proc --propagation private'.split(
      ' ',
    )
    const world = ['/bin/sh', '-euc', PRIVATE_WORLD, 'sh', site.directory, sockets(options)]
    const server = [join(programs, 'sendmail'), '-C', site.path('sendmail.cf'), '-bD', '-q15m']
    const unshare = findProgram('unshare') ?? 'unshare'
    await site.launch(unshare, [...namespaces, ...world, ...server])
    return new Sendmail(site)
  })
}

class Sendmail extends PrivateServer implements SendmailServer {
  readonly name = 'sendmail'

  async held(): Promise<HeldMessage[]> {
    const queue = this.site.path('queue')
    const names = readdirSync(queue).filter((name) => name.startsWith('hf'))
    return names.toSorted().map((name) => {
      const control = readFileSync(join(queue, name), 'latin1')
      const body = readFileSync(join(queue, `df${name.slice(2)}`), 'latin1')
      const reason = /^q(.*)$/m.exec(control)?.[1]
      return { id: name.slice(2), reason, content: `${headerOf(control)}\n${body}` }
    })
  }

  async queued(): Promise<number> {
    const names = readdirSync(this.site.path('queue'))
    // qf is written before the message is acknowledged, hf is a quarantined one.
    return names.filter((name) => name.startsWith('qf')).length
  }
}

/**
 * The header fields of a queue control file (Sendmail Operations Guide, appendix B): lines
 * "H?flags?Name: value", folded lines begin with white space.
 */
function headerOf(control: string): string {
  let inHeader = false
  const lines = control.split('\n').filter((line) => {
    if (!/^[ \t]/.test(line)) inHeader = line.startsWith('H')
    return inHeader
  })
  return lines.map((line) => `${line.replace(/^H(\?[^?]*\?)?/, '')}\n`).join('')
}

/**
 * Sendmail gets a world of its own, in namespaces for mounts, host name and processes:
 * - It logs to /dev/log only, so there is one in its own /dev.
 * - A host name without a dot costs it 60 s at the start; own /etc/hosts, nsswitch.conf and an
 *   empty resolv.conf keep it away from DNS.
 * - It refuses a unix socket below a directory that all may write to, such as /tmp, so it sees the
 *   socket's directory somewhere else.
 * - It is process 1 there: when it ends, the kernel ends all its descendants.
 */
const PRIVATE_WORLD = String.raw`
  dir=$1 sockets=$2
  shift 2
  hostname mx.sendmail.test
  for file in hosts nsswitch.conf resolv.conf; do
    [ ! -e /etc/$file ] || mount --bind "$dir/$file" "$(readlink -f /etc/$file)"
  done
  mount -t tmpfs -o mode=755 none "$dir/dev"
  for device in null zero random urandom; do
    : > "$dir/dev/$device"
    mount --bind /dev/$device "$dir/dev/$device"
  done
  ln -s "$dir/log.sock" "$dir/dev/log"
  for pair in $sockets; do
    seen=$(echo "$pair" | cut -d: -f1)
    mkdir "$dir$seen"
    mount --bind "$(echo "$pair" | cut -d: -f2-)" "$dir$seen"
  done
  mount --rbind "$dir/dev" /dev
  exec "$@"
`

/** For PRIVATE_WORLD: "seen:real" for each directory with a filter's unix socket. */
function sockets(options: StartOptions): string {
  const pairs = options.milters.flatMap((spec, index) => {
    const address = parseMilterAddress(spec)
    return address.family === 'unix' ? [`${socketFolder(index)}:${dirname(address.path)}`] : []
  })
  return pairs.join(' ')
}

async function configure(site: Site, options: StartOptions, programs: string): Promise<void> {
  const tls = options.tls
    ? await makeCertificate(site.directory, 'mx.sendmail.test')
    : undefined
  mkdirSync(site.path('queue'), { mode: 0o700 })
  mkdirSync(site.path('dev'))
  const files = {
    'sendmail.mc': sendmailMc({
      directory: site.directory,
      root: sendmailRoot(),
      port: site.port,
      sinkPort: site.sink.port,
      options,
      tls,
    }),
    'service.switch': 'hosts\tfiles\naliases\tfiles\npasswd\tfiles\n',
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
    'resolv.conf': '',
    hosts: [
      '127.0.0.1\tlocalhost mx.sendmail.test',
      '::1\tlocalhost',
      ...(options.hosts ?? []),
      '',
    ].join('\n'),
    helpfile: 'smtp\tTest server.\n',
    statistics: '',
    aliases: '',
    'mail.log': '',
  }
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(site.path(name), text, 'latin1')
  }
  const cf = await run(findProgram('m4') ?? 'm4', [site.path('sendmail.mc')])
  writeFileSync(site.path('sendmail.cf'), cf, 'latin1')
  const makemap = async (name: string, text: string) => {
    const args = ['-C', '/dev/null', 'hash', site.path(`${name}.db`)]
    await run(join(programs, 'makemap'), args, text)
  }
  await makemap('access', ACCESS)
  // The entry by which Sendmail knows that the table is complete (newaliases writes it).
  await makemap('aliases', '@ @\n')
}
