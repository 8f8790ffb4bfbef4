import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isBefore, versionOf } from '../../../src/milter/mail-server/mail-server.ts'
import type { MailServerChoice } from '../../../src/mta/index.ts'
import { KNOWN_VERSIONS } from '../../../src/mta/models/versions.ts'
import { sendmailRoot } from './available.ts'
import { ENVIRONMENT, findProgram } from './command.ts'
import type { MailServer } from './mail-server.ts'

type ServerName = MailServer['name']

/** The version of a server that is installed here, as "3.7.11" or "8.17.1.9"; undefined if there is none. */
export function installedVersion(name: ServerName): string | undefined {
  return name === 'postfix' ? postfixVersion() : sendmailVersion()
}

function postfixVersion(): string | undefined {
  const postconf = findProgram('postconf')
  if (postconf === undefined) return undefined
  const options = { env: ENVIRONMENT, encoding: 'latin1' } as const
  const { status, stdout } = spawnSync(postconf, ['-d', '-h', 'mail_version'], options)
  return status === 0 ? stdout.trim() : undefined
}

/** By its configuration, which is of the same version: the program itself sleeps where the host name has no dot. */
function sendmailVersion(): string | undefined {
  const file = join(sendmailRoot(), 'usr/share/sendmail/cf/m4/version.m4')
  return existsSync(file) ? /^DZ([\d.]+)/m.exec(readFileSync(file, 'latin1'))?.[1] : undefined
}

/** The model that plays the server that is installed here: the latest version that is known and not newer. */
export function installedModel(name: ServerName): MailServerChoice {
  const text = installedVersion(name) ?? ''
  const version = versionOf(text)
  const known = KNOWN_VERSIONS[name].findLast(
    (one) => version !== undefined && !isBefore(version, versionOf(one)!),
  )
  if (known === undefined) throw new Error(`no model for ${name} ${text}`)
  return { [name]: known } as MailServerChoice
}
