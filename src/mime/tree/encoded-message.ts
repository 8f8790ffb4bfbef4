import { parseStructure, parseStructureInTurns } from './parser.ts'
import type { MimeLimits } from './problems.ts'
import type { PartSpan } from './span.ts'
import {
  decodeTransfer,
  decodeTransferInTurns,
  type TransferEncoding,
} from '../encodings/transfer-encoding.ts'
import type { TreeContext } from './tree-context.ts'
import type { Turns } from '../turns.ts'

/** The message in an encoded part. It is a tree over bytes of its own. */
export interface EncodedMessage {
  readonly bytes: Buffer
  readonly root: PartSpan
}

interface Holder {
  readonly raw: Buffer
  readonly encoding: TransferEncoding
  readonly depth: number
}

/** The rest of the limits of the tree around it. */
const limitsIn = ({ depth }: Holder, { limits }: TreeContext): MimeLimits => ({
  ...limits,
  depth: limits.depth - depth - 1,
})

export function readEncoded(part: Holder, tree: TreeContext): EncodedMessage {
  const bytes = decodeTransfer(part.raw, part.encoding)
  return { bytes, root: parseStructure(bytes, limitsIn(part, tree), tree.reading).root }
}

/** The same, in turns with other work of the process. */
export async function readEncodedInTurns(
  part: Holder,
  tree: TreeContext,
  turns: Turns,
): Promise<EncodedMessage> {
  const bytes = await decodeTransferInTurns(part.raw, part.encoding, turns)
  const limits = limitsIn(part, tree)
  const { root } = await parseStructureInTurns(bytes, limits, tree.reading, undefined, turns)
  return { bytes, root }
}
