import { createInterface } from 'node:readline/promises'
import type { InitSurroundings } from './init.ts'

/** Runs what may ask; it cannot ask without a terminal at both ends. */
export async function withTerminal<Result>(
  run: (ask: InitSurroundings['ask']) => Promise<Result>,
): Promise<Result> {
  const { stdin, stdout } = process
  if (!stdin.isTTY || !stdout.isTTY) return await run(undefined)
  const terminal = createInterface({ input: stdin, output: stdout })
  try {
    return await run(async (question, usual) => {
      const answer = await terminal.question(`${question}${usual === '' ? '' : ` [${usual}]`} `)
      return answer.trim() || usual
    })
  } finally {
    terminal.close()
  }
}
