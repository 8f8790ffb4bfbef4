import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { MtaClient, type MtaClientOptions } from '../../src/mta/index.ts'
import {
  ALL_ACTIONS,
  Command,
  encodeChoice,
  encodeReply,
  FrameDecoder,
  Step,
  type Choice,
  type ReplyMessage,
} from '../../src/protocol/index.ts'
import { atEnd } from '../support/resources.ts'

type Answer = Buffer | ReplyMessage['type'] | undefined
/** What a filter does, right or wrong. */
export interface Script {
  readonly choice?: Partial<Choice> | Buffer
  /** the answer to a command, by its letter; continue without one */
  readonly answers?: Readonly<Partial<Record<string, Answer>>>
}

async function scripted({ choice = {}, answers = {} }: Script): Promise<{
  address: string
  /** letters of what came, and macro names in brackets */
  received: string[]
}> {
  const server = createServer({ noDelay: true })
  atEnd(() => server.close())
  const received: string[] = []
  server.on('connection', (socket: Socket) => {
    atEnd(() => socket.destroy())
    socket.on('error', () => {})
    const frames = new FrameDecoder(1_000_000)
    const steps = Buffer.isBuffer(choice) ? 0 : (choice.steps ?? 0)
    socket.on('data', (data: Buffer) => {
      frames.push(data)
      while (frames.next()) {
        const payload = frames.take()
        const letter = String.fromCharCode(frames.command)
        received.push(letter)
        if (frames.command === Command.OPTNEG) {
          socket.write(
            Buffer.isBuffer(choice)
              ? choice
              : encodeChoice({ version: 6, actions: ALL_ACTIONS, steps: 0, ...choice }),
          )
          continue
        }
        if ('DAQK'.includes(letter) || (letter === 'B' && (steps & Step.NR_BODY) !== 0))
          continue
        void payload
        const answer = letter in answers ? answers[letter] : 'continue'
        if (answer === undefined) continue
        socket.write(
          Buffer.isBuffer(answer) ? answer : encodeReply({ type: answer } as ReplyMessage),
        )
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { address: `inet:${(server.address() as AddressInfo).port}@127.0.0.1`, received }
}

/** A client, and the filter that does what the script says. */
export async function clientOf(
  script: Script,
  options: MtaClientOptions = {},
): Promise<{ client: MtaClient; received: string[] }> {
  const filter = await scripted(script)
  const client = await MtaClient.connect(filter.address, { timeouts: 2_000, ...options })
  atEnd(() => client.destroy())
  return { client, received: filter.received }
}
