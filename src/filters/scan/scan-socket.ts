/** One question to a daemon over a socket of its own, and its answer. */
import { connect } from 'node:net'
import { reasonOf } from '../../net/system-error.ts'
import { ScanFailure } from './scan-failure.ts'

/** An IP address or host name with a port, or the path of a unix socket. */
export type ScanEndpoint =
  { readonly host: string; readonly port: number } | { readonly path: string }

export interface ScanQuestion {
  readonly bytes: () => AsyncIterable<Uint8Array>
  /** whether our side is closed after the question, so that the daemon knows its end */
  readonly closes: boolean
  /** the byte that ends the answer; without it, the end of the connection does */
  readonly end?: number
  /** bytes of the answer */
  readonly maxAnswer: number
}

/**
 * Asks a daemon. The socket is closed in any case.
 *
 * @throws ScanFailure; the reason of `signal`; what `bytes` throws
 */
export async function ask(
  endpoint: ScanEndpoint,
  { bytes, closes, end, maxAnswer }: ScanQuestion,
  signal: AbortSignal,
): Promise<Buffer> {
  signal.throwIfAborted()
  const socket = connect({ ...endpoint, noDelay: true, allowHalfOpen: true })
  const cut = (): void => void socket.destroy()
  signal.addEventListener('abort', cut, { once: true })
  let over = false
  let wake: () => void = () => {}
  const answered = new Promise<Buffer>((resolve, reject) => {
    const pieces: Buffer[] = []
    let size = 0
    const fail = (text: string): void => reject(new ScanFailure(text))
    socket.on('data', (piece) => {
      size += piece.length
      pieces.push(piece)
      if (size > maxAnswer) fail(`the answer has more than ${maxAnswer} bytes`)
      else if (end !== undefined && piece.includes(end)) resolve(Buffer.concat(pieces))
    })
    socket.on('end', () =>
      end === undefined && size > 0
        ? resolve(Buffer.concat(pieces))
        : fail('the connection was closed before the answer was complete'),
    )
    socket.on('error', (error) => fail(reasonOf(error)))
    socket.on('close', () => fail('the connection was closed'))
  }).finally(() => {
    over = true
    wake()
  })
  answered.catch(() => {})
  const room = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve
      socket.once('drain', resolve)
    })
  try {
    for await (const piece of bytes()) {
      // It does not want the rest: perhaps it is too much for it.
      if (over) break
      // oxlint-disable-next-line typescript/no-unnecessary-condition -- changes meanwhile
      if (!socket.write(piece) && !over) await room()
    }
    if (closes && !over) socket.end()
    return await answered
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', cut)
    socket.destroy()
  }
}
