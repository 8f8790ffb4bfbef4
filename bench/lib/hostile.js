// Messages of a megabyte that are made to take long, and how long they take.
import { defang, parseMime } from 'tsmilter/mime'

const SIZE = 1_000_000

const filled = (text, size = SIZE) => text.repeat(Math.ceil(size / text.length)).slice(0, size)
const message = (header, body) => Buffer.from(`${header}\r\n\r\n${body}`, 'latin1')
const html = (parameters, text) => message(`Content-Type: text/html${parameters}`, filled(text))
const charset = (name, text) => html(`; charset=${name}`, text)
const parts = (part) =>
  message('MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b', parted(part))

function parted(part) {
  let body = ''
  for (let number = 0; body.length < SIZE; number++) body += `--b\r\n${part(number)}\r\n`
  return `${body}--b--\r\n`
}

const addresses = (text) =>
  message(`To: ${filled(text, 60_000)}\r\n`.repeat(16).replace(/\r\n$/, ''), 'x\r\n')

const clean = async (bytes) => void (await defang(parseMime(bytes), { html: {} }))
const list = (bytes) => void parseMime(bytes).headers.mailboxes('To')

/** What it is, the message, and what is done to it. */
export const HOSTILE = [
  ['HTML: tags', html('', '<a b=c>'), clean],
  ['HTML: meta elements', html('', '<meta charset=utf-8>'), clean],
  [
    'HTML: a style sheet of escapes',
    message('Content-Type: text/html', `<style>${filled('\\41 ')}`),
    clean,
  ],
  ['HTML: UTF-16', charset('utf-16le', 'a\0<\0b\0'), clean],
  ['HTML: UTF-8 that is none', charset('utf-8', '\xc3\xff\xe2\x82'), clean],
  ['HTML: windows-1252', charset('windows-1252', '\x80\x81x'), clean],
  ['HTML: gb18030', charset('gb18030', '\xa4\xa4\x810\x810'), clean],
  [
    'HTML: eight charsets',
    charset(
      'utf-16; charset=gbk; charset=big5; charset=shift_jis; charset=euc-kr; charset=utf-16be; charset=koi8-r; charset=utf-8',
      'a\xa4\xa4<b>',
    ),
    clean,
  ],
  [
    'parts with names in many readings',
    parts(
      (number) =>
        `Content-Disposition: attachment; filename="a${number}\\"b=?utf-8?q?x?=; y*0=a; y*1*=%41"\r\n\r\nx`,
    ),
    clean,
  ],
  ['addresses: groups', addresses('a@b:;'), list],
  ['addresses: names', addresses('"a" <a@b>,'), list],
]

/** In milliseconds of the processor: all of it, and the longest at one go. */
export async function strain(bytes, use) {
  let longest = 0
  let last = milliseconds()
  let running = true
  const look = () => {
    const now = milliseconds()
    longest = Math.max(longest, now - last)
    last = now
    if (running) setImmediate(look)
  }
  setImmediate(look)
  const start = milliseconds()
  await use(bytes)
  const all = milliseconds() - start
  await new Promise((resolve) => setImmediate(resolve))
  running = false
  return { all, longest }
}

function milliseconds() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
