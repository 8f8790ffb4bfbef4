/** How some programs read a part, besides the usual reading. A filter has to check all of it. */
import type { MimePart } from './part.ts'

/** Every value of every parameter. pymilter looks at all of them. */
export function parameterReadings(part: MimePart): string[] {
  const values = new Set<string>()
  for (const { readings } of part.describing()) {
    for (const [name, texts] of readings) {
      // A charset is not a name, and the id of a message/partial looks like an address (RFC 2046, section 5.2.2).
      if (name === 'charset' || (name === 'id' && part.type === 'message/partial')) continue
      for (const text of texts) values.add(text)
    }
  }
  return [...values]
}
