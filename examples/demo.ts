// What `npm start` shows: the first example behind a socket, and a mail server's side that plays
// message files to it. `--once` ends after them; without it the filter stays up for your own.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { formatForPostfix, parseListenAddress } from 'tsmilter/mta'
import { serve } from 'tsmilter'
import { describeMessage, MtaClient, type Outcome } from 'tsmilter/mta'
import { difference } from 'tsmilter/testing'
import noLottery from './no-lottery.ts'

type Style = 'bold' | 'dim' | 'green' | 'red' | 'cyan'
const paint = (style: Style, text: string): string =>
  process.stdout.isTTY ? styleText(style, text) : text
const print = (line = ''): void => void process.stdout.write(`${line}\n`)

const once = process.argv.includes('--once')
const folder = join(process.cwd(), 'examples', 'messages')

const server = await serve(noLottery, { listen: 'inet:0@localhost' })
const [address] = server.addresses as [string]
print(`The filter of ${paint('bold', 'examples/no-lottery.ts')} listens on ${address}`)

for (const file of (await readdir(folder)).sort().reverse()) {
  await show(file, await readFile(join(folder, file)))
}

if (once) {
  await server.close({ quiet: 0 })
} else {
  print('The filter stays up. To put it behind a mail server of yours:')
  print(`  Postfix   smtpd_milters = ${formatForPostfix(parseListenAddress(address))}`)
  print(`  Sendmail  INPUT_MAIL_FILTER(\`no-lottery', \`S=${address}, F=T')`)
  print('Press Ctrl-C to stop it.')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void server.close({ quiet: 0, deadline: 5_000 }))
  }
}

async function show(file: string, message: Buffer): Promise<void> {
  print()
  print(paint('bold', `examples/messages/${file}`))
  const client = await MtaClient.connect(address, { mta: 'postfix' })
  const outcome = await client.deliver({
    message,
    from: 'alice@example.org',
    to: 'bob@example.net',
  })
  await client.quit()
  for (const { from, message: frame } of outcome.trace.entries) {
    // Postfix sends macros before each command; they would hide what this is about.
    if (frame === undefined || frame.type === 'macro') continue
    const line = shorten(describeMessage(frame))
    print(from === 'mta' ? `  > ${line}` : `      ${paint('dim', `< ${line}`)}`)
  }
  print(`  ${paint('bold', outcome.verdict)}  ${showReply(outcome)}`)
  print()
  print(changes(message, outcome))
}

function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length > 76 ? `${line.slice(0, 73)}...` : line
}

function showReply({ verdict, reply }: Outcome): string {
  return paint(verdict === 'accept' ? 'green' : 'red', reply.replaceAll('\r\n', ' | '))
}

function changes(before: Buffer, { message }: Outcome): string {
  if (message === undefined) return '  not delivered'
  if (message.equals(before)) return '  delivered as it came, byte for byte'
  return difference(before, message)
    .split('\n')
    .map((line) => {
      if (line.startsWith('+')) return paint('green', line)
      return line.startsWith('-') ? paint('red', line) : line
    })
    .map((line) => `  ${line}`)
    .join('\n')
}
