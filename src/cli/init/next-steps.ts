/** What is left to do after `tsmilter init`, as lines of text and of a shell. */
import type { ListenAddress } from '../../net/listen-address.ts'
import { OPTIONAL_PACKAGES, type OptionalPackage } from '../../optional-package.ts'
import {
  postfixAddress,
  postfixLines,
  sendmailLines,
  type MailServerName,
} from './mail-server-lines.ts'
import { SERVICE_USER } from './unit-text.ts'

export interface StepFacts {
  readonly mta: MailServerName
  readonly address: ListenAddress
  readonly node: string
  readonly command: string
  readonly config: string
  readonly unit: string
  /** optional packages that are not installed */
  readonly missing: readonly OptionalPackage[]
  /** the store that the file would have if the package for it were there */
  readonly laterStore: string | undefined
  readonly key:
    | {
        readonly file: string
        readonly domain: string
        readonly selector: string
        /** a line for a zone file */
        readonly record: string
      }
    | undefined
}

export function nextSteps(facts: StepFacts): readonly string[] {
  const { mta, address, node, command, config, unit, missing, laterStore, key } = facts
  const lines: string[] = []
  let number = 0
  const step = (text: string, ...commands: readonly string[]): void => {
    lines.push('', `${++number}. ${text}`, ...commands)
  }
  if (missing.length > 0) {
    const names = missing.map((name) => `${name}@${OPTIONAL_PACKAGES[name]}`).join(' ')
    const then = `Then write "store: { embedded: ${laterStore} }" below greylist and rateLimit: until then, each worker counts alone.`
    step(
      'Install the packages that these filters use, beside tsmilter:',
      `npm install ${names}`,
      ...(laterStore === undefined ? [] : [then]),
    )
  }
  const hidden = [node, command].find((path) => /^\/(?:home|root)\//.test(path))
  if (hidden !== undefined) {
    step(
      `${hidden} is in a home directory, which the service cannot see (ProtectHome=). Install Node and tsmilter below /usr or /opt, and change ExecStart= in ${unit}.`,
    )
  }
  step(
    `Make the user of the service${key === undefined ? '' : ', and let it read the key'}:`,
    `useradd --system --no-create-home --shell /usr/sbin/nologin ${SERVICE_USER}`,
    ...(key === undefined
      ? []
      : [`chgrp ${SERVICE_USER} ${quote(key.file)} && chmod 640 ${quote(key.file)}`]),
  )
  if (key !== undefined) {
    const { domain, selector, record, file } = key
    step(
      'Publish the key in DNS, and a policy if you have none:',
      record,
      `_dmarc.${domain}. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@${domain}"`,
      'Then see whether the key is there:',
      `tsmilter key check --domain ${domain} --selector ${selector} --key ${quote(file)}`,
    )
  }
  // As the user of the service: a store that root has made could not be opened by it.
  step(
    'Start the service:',
    `install -d -o ${SERVICE_USER} -m 750 /var/lib/${SERVICE_USER}`,
    `runuser -u ${SERVICE_USER} -- ${quote(node)} ${quote(command)} check-config ${quote(config)}`,
    `cp ${quote(unit)} /etc/systemd/system/ && systemctl daemon-reload && systemctl enable --now tsmilter`,
    ...(address.type === 'fd' ? [] : [`tsmilter check ${checkAddress(address)}`]),
  )
  if (mta === 'postfix') {
    step(
      'Tell Postfix. These lines replace the milters that you have: see "postconf smtpd_milters non_smtpd_milters" first.',
      ...postfixLines(address, key !== undefined),
      'postfix reload',
    )
  } else {
    step(
      'Tell Sendmail: write this line into sendmail.mc above MAILER, make sendmail.cf, and restart Sendmail.',
      ...sendmailLines(address),
    )
  }
  return lines
}

/** Not relative to the queue directory. */
const checkAddress = (address: ListenAddress): string =>
  address.type === 'unix' ? `unix:${quote(address.path)}` : postfixAddress(address)

/** For a shell. */
const quote = (word: string): string =>
  /^[\w/.@+:,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
