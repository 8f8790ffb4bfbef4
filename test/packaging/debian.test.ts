// The Debian package in a fresh root, as docs/debian.md says. test.sh makes both and runs this; the steps are in order,
// and each stands on those before it.
import assert from 'node:assert/strict'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SmtpClient, type SmtpReply } from '../mail-servers/support/smtp.ts'
import { Machine, type Ran } from './support/machine.ts'
import { commandsOf } from './support/page.ts'

const {
  TSMILTER_DEBIAN_MACHINE: ROOT,
  TSMILTER_DEBIAN_SUITE: SUITE,
  TSMILTER_DEBIAN_PACKAGES: PACKAGES,
} = process.env
const page = commandsOf('debian.md')
const MAILBOX = '/var/mail/alice'
const OWN = `
import { defineFilter, type Mail } from 'tsmilter'
export default defineFilter({
  name: 'own',
  message(mail: Mail) {
    mail.headers.append('X-Own', 'yes')
  },
})
`
/** an address from outside */
const STRANGER = '192.0.2.7'

const fields = (lines: readonly string[]): Buffer =>
  Buffer.from(`${lines.join('\r\n')}\r\n`, 'latin1')
const message = (subject: string, ...rest: string[]): Buffer =>
  fields(['From: alice@example.org', 'To: alice@example.org', `Subject: ${subject}`, ...rest])
const text = (subject: string): Buffer => message(subject, '', 'Hello')

/** Sends a message to the Postfix of the machine, and gives the reply that decided. */
async function send(
  content: Buffer,
  { client = '', to = 'alice@example.org', pause = 0 } = {},
): Promise<SmtpReply> {
  const smtp = await SmtpClient.connect(25)
  try {
    const commands = ['EHLO client.example.net']
    // As if it came from there (XCLIENT_README of Postfix). The greeting comes again.
    if (client !== '')
      commands.push(`XCLIENT ADDR=${client} NAME=[UNAVAILABLE]`, 'EHLO client.example.net')
    commands.push('MAIL FROM:<alice@example.org>', `RCPT TO:<${to}>`)
    for (const command of commands) {
      const reply = await smtp.command(command)
      if (reply.code >= 400) return reply
    }
    await sleep(pause)
    const data = await smtp.command('DATA')
    if (data.code >= 400) return data
    smtp.write(content)
    return await smtp.command('.')
  } finally {
    smtp.close()
  }
}

const skip = ROOT === undefined && 'the Debian package is tried by test/packaging/test.sh'

describe('the Debian package', { skip }, () => {
  let machine: Machine
  let commands = 0
  const begin = Date.now()
  const packages =
    ROOT === undefined ? [] : readdirSync(PACKAGES!).filter((name) => name.endsWith('.deb'))
  const next = packages.find((name) => name.includes('+next'))

  const done = ({ status, said }: Ran, what: string): string => {
    assert.equal(
      status,
      0,
      `${what}\n${said}\n${machine.has('/run/stand-in/journal') ? machine.read('/run/stand-in/journal') : ''}`,
    )
    return said
  }
  const run = (line: string): string => done(machine.run(line), line)
  /** Does what the page says under a heading. */
  const follow = (heading: string): string => {
    const lines = page.get(heading)!
    commands += lines.length
    return lines.map(run).join('')
  }
  const mailbox = (box = MAILBOX): string[] =>
    machine.has(box)
      ? machine
          .read(box)
          .split(/^From (?=\S+ )/m)
          .slice(1)
      : []
  /** The message with the subject, once it is delivered. */
  const delivered = async (subject: string, box = MAILBOX): Promise<string> => {
    for (let n = 0; n < 600; n++) {
      const found = mailbox(box).find((mail) => mail.includes(`${subject}\n`))
      if (found !== undefined) return found
      await sleep(50)
    }
    assert.fail(`${subject} was not delivered:\n${machine.run('postqueue -p').said}`)
  }
  /** test.sh prints these. */
  const measured = (line: string): void =>
    appendFileSync(join(PACKAGES!, SUITE!, 'measured'), `${line}\n`)
  const journal = (): string => machine.read('/run/stand-in/journal')
  /** Waits for a line of the log. */
  const logged = async (pattern: RegExp): Promise<void> => {
    for (let n = 0; n < 600; n++) {
      if (pattern.test(journal())) return
      await sleep(50)
    }
    assert.fail(`no ${pattern} in ${journal()}`)
  }

  before(() => {
    machine = new Machine(ROOT!)
    for (const name of packages)
      copyFileSync(join(PACKAGES!, name), machine.path(`/root/${name}`))
    run('useradd --create-home alice')
  })
  after(() => {
    machine.run('systemctl stop tsmilter.service tsmilter.socket; postfix stop')
  })

  it('is installed, and changes no mail', async () => {
    assert.equal(machine.has('/usr/bin/node'), false, 'the root is bare')
    const node = join(PACKAGES!, SUITE!, 'nodejs.deb')
    if (existsSync(node)) {
      // What the page wants first on Debian 12.
      copyFileSync(node, machine.path('/root/nodejs.deb'))
      run('apt-get install -y ./nodejs.deb')
    }
    follow('Install')
    const { mode, gid } = statSync(machine.path('/var/spool/postfix/tsmilter/tsmilter.sock'))
    assert.equal(mode & 0o777, 0o660)
    assert.equal(gid, Number(run('getent group tsmilter').split(':')[2]))
    const said = follow('Tell Postfix')
    assert.match(said, /^unix:\S+ answers after .*\n.*"msg":"ready"/m)
    run(`postconf -e 'smtpd_authorized_xclient_hosts = 127.0.0.1' && postfix reload`)
    const { code, text: reply } = await send(text('observed'), { client: STRANGER })
    assert.equal(code, 250, reply)
    assert.doesNotMatch(await delivered('observed'), /^X-External:/m)
    assert.match(journal(), /"filter":"external-tag"/)
  })

  it('filters by the example: tags, greylists, blocks attachments, signs', async () => {
    const said = follow('Filter')
    assert.match(said, /^well, with \d+ warnings$/m)
    measured(
      `from nothing to filtered mail: ${commands} commands, ${Math.round((Date.now() - begin) / 1_000)} s`,
    )
    await logged(/"msg":"reloaded"/)
    assert.equal((await send(text('signed'))).code, 250)
    assert.match(await delivered('signed'), /^DKIM-Signature: .*d=example\.org/m)
    const stranger = await send(text('greylisted'), { client: STRANGER })
    assert.equal(stranger.code, 451, stranger.text)
    const postmaster = await send(text('to postmaster'), {
      client: STRANGER,
      to: 'postmaster@example.org',
    })
    assert.equal(postmaster.code, 250, postmaster.text)
    const marked = await delivered('to postmaster', '/var/mail/root')
    assert.match(marked, /^Authentication-Results: mx\.example\.org;/m)
    assert.match(marked, /^Subject: \[EXTERNAL\] to postmaster$/m)
    const program = message(
      'a program',
      'MIME-Version: 1.0',
      'Content-Type: application/octet-stream; name=setup.exe',
      'Content-Disposition: attachment; filename=setup.exe',
      '',
      'MZ',
    )
    const refused = await send(program)
    assert.equal(refused.code, 550, refused.text)
    assert.match(refused.text, /setup\.exe/)
  })

  it('finds the package for a filter of your own beside the configuration', () => {
    machine.write('/etc/tsmilter/own.ts', OWN)
    machine.write('/etc/tsmilter/own.yaml', 'filters:\n  - use: ./own.ts\n')
    const said = run('runuser -u tsmilter -- tsmilter check-config /etc/tsmilter/own.yaml')
    assert.match(said, /insert at the end X-Own: yes/)
    run('rm /etc/tsmilter/own.*')
  })

  it('is upgraded under load, and no message is lost or passes unfiltered', async () => {
    const service = machine.read('/run/stand-in/tsmilter.service')
    const socket = machine.read('/run/stand-in/tsmilter.socket')
    const codes: number[] = []
    let upgraded = false
    const client = async (n: number): Promise<void> => {
      for (let i = 0; i < 10 || !upgraded; i++) {
        // Some are in the middle of a message when the service stops.
        codes.push((await send(text(`load ${n}.${i}.`), { pause: 200 })).code)
      }
    }
    const clients = Array.from({ length: 5 }, (_, n) => client(n))
    const said = done(await machine.runBeside(`apt-get install -y ./${next!}`), 'the upgrade')
    upgraded = true
    await Promise.all(clients)
    assert.ok(codes.length >= 50)
    assert.deepEqual(new Set(codes), new Set([250]), `${said}\n${codes.join()}`)
    for (let n = 0; n < 600; n++) {
      if (mailbox().filter((mail) => /^Subject: load /m.test(mail)).length === codes.length)
        break
      await sleep(50)
    }
    const mails = mailbox().filter((mail) => /^Subject: load /m.test(mail))
    assert.equal(mails.length, codes.length)
    for (const mail of mails) assert.match(mail, /^DKIM-Signature: /m)
    assert.notEqual(machine.read('/run/stand-in/tsmilter.service'), service)
    assert.equal(machine.read('/run/stand-in/tsmilter.socket'), socket, 'the socket stays')
    assert.match(machine.read('/etc/tsmilter/tsmilter.yaml'), /dkimSign/)
    measured(`upgrade: ${codes.length} messages sent, ${mails.length} delivered and signed`)
  })

  it('stays while Postfix names it, and says what to change', async () => {
    const { status, said } = machine.run('apt-get remove -y tsmilter')
    assert.notEqual(status, 0)
    assert.match(said, /^ {2}postconf -e 'smtpd_milters ='\n {2}postfix reload$/m)
    assert.match(machine.read('/etc/postfix/main.cf'), /tsmilter\.sock/)
    // Neither are services of their own, other milters and Sendmail forgotten.
    run(
      `postconf -e 'smtpd_milters = inet:localhost:1, unix:tsmilter/tsmilter.sock, inet:localhost:2'`,
    )
    run(`postconf -P 'smtp/inet/smtpd_milters=unix:tsmilter/tsmilter.sock'`)
    mkdirSync(machine.path('/etc/mail'))
    const line = 'Xtsmilter, S=unix:/var/spool/postfix/tsmilter/tsmilter.sock, F=T'
    machine.write('/etc/mail/sendmail.cf', `${line}\n`)
    const more = machine.run('apt-get remove -y tsmilter').said
    assert.match(
      more,
      /^ {2}postconf -e 'smtpd_milters = inet:localhost:1, inet:localhost:2'$/m,
    )
    assert.match(more, /^ {2}smtp\/inet\/smtpd_milters = unix:tsmilter\/tsmilter\.sock$/m)
    assert.ok(more.includes(`\n  ${line}\n`))
    run('rm -r /etc/mail && postconf -PX smtp/inet/smtpd_milters')
    run(`postconf -e 'smtpd_milters = unix:tsmilter/tsmilter.sock' && postfix reload`)
    assert.equal((await send(text('still filtered'))).code, 250)
    assert.match(await delivered('still filtered'), /^DKIM-Signature: /m)
  })

  it('is removed, and mail flows', async () => {
    follow('Remove')
    assert.equal(machine.has('/usr/lib/tsmilter'), false)
    assert.equal(machine.has('/var/spool/postfix/tsmilter'), false)
    assert.ok(machine.has('/etc/tsmilter/tsmilter.yaml'))
    assert.equal((await send(text('unfiltered'))).code, 250)
    assert.doesNotMatch(await delivered('unfiltered'), /^DKIM-Signature: /m)
  })

  it('leaves only the files of the administrator after a purge', async () => {
    run('apt-get purge -y tsmilter')
    const { uid, mode } = statSync(machine.path('/etc/tsmilter/s1.pem'))
    assert.deepEqual([uid, mode & 0o777], [0, 0o600])
    run('rm -r /etc/tsmilter')
    const left = run(
      `find / -xdev -name '*tsmilter*' ! -path '/root/*' ! -path '/srv/*' ! -path '/proc/*' ! -path '/var/log/*' ! -path '/run/stand-in/*'`,
    )
    assert.equal(left, '')
    assert.equal(
      run('grep -l tsmilter /etc/passwd /etc/group /etc/shadow /etc/gshadow || true'),
      '',
    )
    assert.equal((await send(text('after the purge'))).code, 250)
    await delivered('after the purge')
  })
})
