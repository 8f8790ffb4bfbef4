// What `npm start` shows: the first example behind a socket, and a mail server's side that plays
// message files to it. `--once` ends after them; without it the filter stays up for your own.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { createTwoFilesPatch } from 'diff'
import { formatForPostfix, parseListenAddress, serve } from 'tsmilter'
import { formatSmtpReply, type CommandMessage, type ReplyMessage } from 'tsmilter/protocol'
import { MtaClient } from '../src/mta/client.ts'
import { play, type Exchange, type Outcome } from '../src/mta/transaction.ts'
import { noLottery } from './no-lottery.ts'

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
  const client = await MtaClient.connect(address)
  const { version, actions, steps } = await client.negotiate()
  print(
    `  ${'negotiate'.padEnd(10)}version ${version}, actions 0x${actions.toString(16)}, steps 0x${steps.toString(16)}`,
  )
  const outcome = await play(
    client,
    {
      peer: {
        hostname: 'mail.example.org',
        family: 'inet',
        address: '192.0.2.10',
        rawAddress: '192.0.2.10',
        port: 40_000,
      },
      helo: 'mail.example.org',
      sender: '<alice@example.org>',
      recipients: ['<bob@example.net>'],
      message,
      macros: { mail: { i: '4XyZ12' } },
    },
    (exchange) => print(`  ${describe(exchange)}`),
  )
  await client.quit()
  for (const edit of outcome.edits) print(`  ${paint('cyan', 'edit')}      ${showEdit(edit)}`)
  print(`  ${paint('bold', 'verdict'.padEnd(10))}${showVerdict(outcome.verdict)}`)
  print()
  print(difference(message, outcome))
}

function describe({ command, handling, reply }: Exchange): string {
  const answer =
    handling === 'declined'
      ? paint('dim', 'not asked for')
      : handling === 'silent'
        ? paint('dim', 'no reply needed')
        : showVerdict(reply!)
  return `${command.type.padEnd(10)}${shorten(content(command)).padEnd(44)} ${answer}`
}

function content(command: CommandMessage): string {
  switch (command.type) {
    case 'connect':
      return `${command.peer.hostname} [${command.peer.address}]`
    case 'helo':
      return command.name
    case 'mail':
    case 'rcpt':
      return command.words.join(' ')
    case 'header':
      return `${command.name}:${command.value}`
    case 'body':
      return `${command.chunk.length} bytes`
    default:
      return ''
  }
}

function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length > 42 ? `${line.slice(0, 39)}...` : line
}

function showVerdict(reply: ReplyMessage): string {
  if (reply.type === 'replycode') return paint('red', formatSmtpReply(reply.reply))
  const good = reply.type === 'continue' || reply.type === 'accept'
  return paint(good ? 'green' : 'red', reply.type)
}

function showEdit(edit: Outcome['edits'][number]): string {
  const parts = Object.entries(edit).filter(([key]) => key !== 'type')
  return `${edit.type} ${parts.map(([key, value]) => `${key}=${JSON.stringify(String(value))}`).join(' ')}`
}

function difference(before: Buffer, { message }: Outcome): string {
  if (message === undefined) return '  not delivered'
  if (message.equals(before)) return '  delivered as it came, byte for byte'
  const text = (bytes: Buffer): string => bytes.toString('utf8').replaceAll('\r\n', '\n')
  return createTwoFilesPatch('before', 'after', text(before), text(message), '', '', {
    context: 2,
  })
    .split('\n')
    .filter((line) => !line.startsWith('====') && line !== '')
    .map((line) =>
      line.startsWith('+')
        ? paint('green', line)
        : line.startsWith('-')
          ? paint('red', line)
          : line,
    )
    .map((line) => `  ${line}`)
    .join('\n')
}
