/** What some program may make of a part, beyond the usual; for what is to be kept out. */
import type { MimePart } from './part.ts'

/** Every value of every parameter: pymilter looks at all of them. */
export function parameterReadings(part: MimePart): string[] {
  const values = new Set<string>()
  for (const { readings } of part.describing()) {
    for (const [name, texts] of readings) {
      // A charset is no name, and the number of a message in parts is an address (RFC 2046, section 5.2.2).
      if (name === 'charset' || (name === 'id' && part.type === 'message/partial')) continue
      for (const text of texts) values.add(text)
    }
  }
  return [...values]
}
