import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ENVIRONMENT, findProgram } from './command.ts'

const HOW = 'run `sudo test/mail-servers/setup.sh` (Debian) to get it'

/** Why Postfix cannot be run here and what to do about it, in one line; undefined if it can. */
export function postfixMissing(): string | undefined {
  postfix ??= { reason: whyNoPostfix() }
  return postfix.reason
}

/** Why Sendmail cannot be run here and what to do about it, in one line; undefined if it can. */
export function sendmailMissing(): string | undefined {
  sendmail ??= { reason: whyNoSendmail() }
  return sendmail.reason
}

/** Why HAProxy cannot be run here and what to do about it, in one line; undefined if it can. */
export function haproxyMissing(): string | undefined {
  return findProgram('haproxy') === undefined ? `HAProxy is not installed: ${HOW}` : undefined
}

/** The directory that setup.sh has unpacked Sendmail's packages into. */
export function sendmailRoot(): string {
  return process.env['TSMILTER_SENDMAIL_ROOT'] ?? join(repository(), '.mta', 'sendmail')
}

// The answers cost some processes and do not change while the tests run.
let postfix: { reason: string | undefined } | undefined
let sendmail: { reason: string | undefined } | undefined

function whyNoPostfix(): string | undefined {
  if (process.platform !== 'linux') return 'the tests with a real Postfix need Linux'
  const postconf = findProgram('postconf')
  if (postconf === undefined) return `Postfix is not installed: ${HOW}`
  const version = succeeds(postconf, ['-d', '-h', 'mail_version'])
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number)
  // maillog_file came with 3.4; without it the log would go to the machine's syslog.
  if (major < 3 || (major === 3 && minor < 4)) {
    return `Postfix 3.4 or newer is needed, here is "${version?.trim() ?? ''}": ${HOW}`
  }
  if (process.getuid?.() !== 0) {
    return 'the tests with a real Postfix need root: run them with sudo or in a container'
  }
  return undefined
}

function whyNoSendmail(): string | undefined {
  if (process.platform !== 'linux') return 'the tests with a real Sendmail need Linux'
  const root = sendmailRoot()
  const program = join(root, 'usr/libexec/sendmail/sendmail')
  if (!existsSync(program) || !existsSync(join(root, 'usr/share/sendmail/cf/m4/cf.m4'))) {
    return `Sendmail is not unpacked in ${root}: ${HOW}`
  }
  if (findProgram('m4') === undefined) return `Sendmail needs m4: ${HOW}`
  if (process.getuid?.() !== 0) {
    return 'the tests with a real Sendmail need root: run them with sudo or in a container'
  }
  // Not asked by running it: it sleeps for a minute where the host name has no dot.
  if (succeeds('ldd', [program])?.includes('not found') !== false) {
    return `Sendmail lacks a library: ${HOW}`
  }
  const unshare = findProgram('unshare')
  if (unshare === undefined) return `Sendmail needs unshare: ${HOW}`
  if (succeeds(unshare, ['-m', '-u', '-p', '-f', '--mount-proc', 'true']) === undefined) {
    return 'Sendmail needs own namespaces, not allowed here: in a container use --privileged'
  }
  return undefined
}

function succeeds(program: string, args: readonly string[]): string | undefined {
  const result = spawnSync(program, args, { env: ENVIRONMENT, encoding: 'latin1', input: '' })
  return result.status === 0 ? result.stdout : undefined
}

/** This file runs from build/, one level deeper than its source: look for the package upwards. */
export function repository(): string {
  for (let path = import.meta.dirname; ; path = dirname(path)) {
    if (existsSync(join(path, 'package.json'))) return path
    if (path === '/') throw new Error('no package.json above the tests')
  }
}
