/** `tsmilter explain FILE MESSAGE.eml`: what each filter does with a message, by which rule, and what comes of it. */
import { readFile, stat } from 'node:fs/promises'
import { UsageError } from '../../errors.ts'
import { printable } from '../../diagnostics/printable.ts'
import type { Transaction } from '../../mta/transaction.ts'
import { codeOf } from '../../net/system-error.ts'
import { lfToCrlf } from '../../protocol/line-ends.ts'
import { difference } from '../../testing/difference.ts'
import { leaveOutFor } from './inspect.ts'
import { isSame, play, type Mta, type Played } from './play.ts'
import { dataOf, filterLines, replyText } from './report.ts'
import { trialOf } from './subject.ts'

export interface ExplainOptions {
  readonly from?: string | undefined
  readonly to?: readonly string[] | undefined
  /** address of the client, or `none` for mail that did not come over the network */
  readonly client?: string | undefined
  readonly helo?: string | undefined
  /** login */
  readonly auth?: string | undefined
  /** both if undefined */
  readonly mta?: Mta | undefined
  readonly json: boolean
}

/** Messages of this size fit into the memory of any machine with a mail server, several times. */
const MAX_MESSAGE = 64 * 1_048_576

/** @throws ConfigFileError, UsageError INVALID_OPTION */
export async function explain(
  path: string,
  file: string,
  options: ExplainOptions,
): Promise<string> {
  const trial = await trialOf(path)
  const message = await readMessage(file)
  const transaction: Transaction = {
    message,
    from: options.from ?? '',
    ...(options.to !== undefined && { to: options.to }),
    ...(options.client === 'none'
      ? { client: null, helo: null }
      : options.client !== undefined && { client: { address: options.client } }),
    ...(options.helo !== undefined && { helo: options.helo }),
    ...(options.auth !== undefined && { authenticated: options.auth }),
  }
  const servers: Mta[] = options.mta === undefined ? ['postfix', 'sendmail'] : [options.mta]
  const results: Played[] = []
  for (const mta of servers) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- filters may share what they keep
    results.push(await play(trial, transaction, mta, leaveOutFor(true)))
  }
  if (options.json) {
    const data = results.map((played) => ({
      ...dataOf(played),
      difference: played.message && difference(message, played.message),
    }))
    return JSON.stringify({ file: path, message: file, servers: data }, undefined, 2)
  }
  const lines: string[] = []
  for (const [i, played] of results.entries()) {
    if (i > 0 && isSame(played, results[0]!))
      lines.push(
        `${NAMES[played.mta]}: ${replyText(played)}, and the rest as behind ${NAMES[results[0]!.mta]}`,
      )
    else lines.push(...serverLines(played, message, transaction))
  }
  return lines.join('\n')
}

const NAMES: Readonly<Record<Mta, string>> = { postfix: 'Postfix', sendmail: 'Sendmail' }

function serverLines(played: Played, message: Buffer, { from }: Transaction): string[] {
  const lines = [
    `${NAMES[played.mta]}: ${replyText(played)}`,
    ...played.filters.flatMap((filter, i) => filterLines(filter, i + 1)),
    ...played.failures.map((failure) => `  failed: ${printable(failure)}`),
    ...played.refused.map(({ address, reply }) => `  refused: ${address} (${reply})`),
  ]
  if (played.message === undefined) return lines
  lines.push(
    `  envelope: from <${played.sender}>${played.sender === from ? '' : ` (it was <${from}>)`} to ${played.recipients.map((one) => `<${one}>`).join(' ')}`,
  )
  const changed = difference(message, played.message)
  if (changed === '') return [...lines, '  the message is unchanged']
  return [...lines, '  what changes:', ...changed.split('\n').map((line) => `    ${line}`)]
}

/** @throws UsageError INVALID_OPTION */
async function readMessage(file: string): Promise<Buffer> {
  try {
    const facts = await stat(file)
    if (!facts.isFile() || facts.size > MAX_MESSAGE) {
      throw new UsageError(
        'INVALID_OPTION',
        `${file}: takes a file with a message of at most ${MAX_MESSAGE} bytes`,
      )
    }
    const bytes = await readFile(file)
    return bytes.includes('\r\n') ? bytes : Buffer.from(lfToCrlf(bytes))
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    throw new UsageError('INVALID_OPTION', `${file}: cannot be read (${codeOf(cause)})`, {
      cause,
    })
  }
}
