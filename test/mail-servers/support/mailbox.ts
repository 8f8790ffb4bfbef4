/** Messages of a folder or an mbox file, as an SMTP client sends them. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

export interface Letter {
  readonly name: string
  readonly message: Buffer
}

/** All messages of a folder with .eml files, or of an mbox file, in the order of their names. */
export function readMailbox(path: string): Letter[] {
  if (statSync(path).isFile()) return fromMbox(path)
  return readdirSync(path)
    .sort()
    .filter((name) => statSync(join(path, name)).isFile())
    .map((name) => ({ name, message: onWire(readFileSync(join(path, name))) }))
}

function fromMbox(path: string): Letter[] {
  const text = readFileSync(path, 'latin1')
  return text
    .split(/^From .*\r?\n/m)
    .slice(1)
    .map((one, i) => ({
      name: String(i),
      message: onWire(Buffer.from(one.replace(/\r?\n$/, ''), 'latin1')),
    }))
}

/** Lines end with CRLF on the wire (RFC 5321, section 2.3.8), those of files usually with LF. */
function onWire(message: Buffer): Buffer {
  const text = message.toString('latin1').replaceAll(/(?<!\r)\n/g, '\r\n')
  return Buffer.from(text.endsWith('\r\n') ? text : `${text}\r\n`, 'latin1')
}
