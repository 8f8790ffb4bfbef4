/** A part, as this needs it. */
interface Node<Part> {
  readonly type: string
  readonly isMultipart: boolean
  readonly isAttachment: boolean
  readonly children: readonly Part[]
}

/** The plain and HTML text of a message, without the text of attached messages. */
export function textPartsOf<Part extends Node<Part>>(message: Part): Part[] {
  const parts: Part[] = []
  const waiting: Part[] = [message]
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    if (part.isMultipart) {
      for (const child of part.children.toReversed()) waiting.push(child)
    } else if (
      (part.type === 'text/plain' || part.type === 'text/html') &&
      !part.isAttachment
    ) {
      parts.push(part)
    }
  }
  return parts
}
