/** spamd by SPAMC/1.5, as the file spamd/PROTOCOL of SpamAssassin has it. SYMBOLS gives the score and the rules. */
import { namesOf, oneLine, type Scan, type ScanResult } from './scanner.ts'
import { ScanFailure } from './scan-failure.ts'
import { ask, type ScanEndpoint } from './scan-socket.ts'

const MAX_ANSWER = 65_536

/** @param user whose preferences count; those of the daemon by default */
export const spamd =
  (endpoint: ScanEndpoint, user?: string): Scan =>
  async (mail, size, signal) => {
    const trace = traceOf(mail)
    const head = [
      'SYMBOLS SPAMC/1.5',
      `Content-length: ${trace.length + size}`,
      ...(user === undefined ? [] : [`User: ${user}`]),
      '',
      '',
    ]
    async function* bytes(): AsyncGenerator<Buffer> {
      yield Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), trace])
      yield* mail.rawChunks()
    }
    const answer = await ask(endpoint, { bytes, closes: true, maxAnswer: MAX_ANSWER }, signal)
    return resultOf(answer.toString('latin1'))
  }

/** The mail server adds its field Received later. Without it, SpamAssassin does not know the client. */
function traceOf(mail: Parameters<Scan>[0]): Buffer {
  const { connection, sender } = mail
  const server = mail.macro('j') || 'localhost'
  const helo = connection.helo ?? 'unknown'
  const client = `${connection.hostname} [${connection.address ?? '127.0.0.1'}]`
  const protocol = connection.authenticated === undefined ? 'ESMTP' : 'ESMTPA'
  const date = new Date().toUTCString().replace('GMT', '+0000')
  const lines = [
    `X-Envelope-From: <${oneLine(sender.address)}>`,
    `Received: from ${oneLine(helo)} (${oneLine(client)})`,
    `\tby ${oneLine(server)} (Postfix) with ${protocol} id ${oneLine(mail.queueId ?? 'none')};`,
    `\t${date}`,
    '',
  ]
  return Buffer.from(lines.join('\r\n'), 'latin1')
}

function resultOf(text: string): ScanResult {
  const end = text.indexOf('\r\n\r\n')
  const head = text.slice(0, end === -1 ? text.length : end)
  const [, code, said] = /^SPAMD\/\d+\.\d+ (\d+) (.*)$/m.exec(head.split('\r\n')[0] ?? '') ?? []
  if (code !== '0') {
    throw new ScanFailure(
      `spamd answers: ${code === undefined ? 'not as spamd does' : oneLine(said!)}`,
    )
  }
  const [, isSpam, score, required] =
    /^Spam: (True|False) ; (-?\d+(?:\.\d+)?) \/ (-?\d+(?:\.\d+)?)\s*$/im.exec(head) ?? []
  const length = /^Content-length: (\d+)\s*$/im.exec(head)?.[1]
  const body = end === -1 ? '' : text.slice(end + 4)
  if (required === undefined || (length !== undefined && body.length < Number(length))) {
    throw new ScanFailure('the answer of spamd is not complete')
  }
  return {
    verdict: isSpam!.toLowerCase() === 'true' ? 'spam' : 'clean',
    names: namesOf(body.split(/[,\s]+/)),
    score: Number(score),
    required: Number(required),
  }
}
