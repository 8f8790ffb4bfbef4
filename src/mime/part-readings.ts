import { parseParameters, readingsOf, type Parameter } from './parameters.ts'
import type { MimePart } from './part.ts'

/** What some program may make of a part, beyond the usual; for what is to be kept out. */

/** Every value of every parameter: pymilter looks at all of them. */
export function parameterReadings(part: MimePart): string[] {
  const values = new Set<string>()
  const fields = ['Content-Type', 'Content-Disposition'].flatMap((name) =>
    part.headers.raw(name),
  )
  for (const raw of fields) {
    // The first semicolon is missing in some mail: `Content-Disposition: filename=x.exe`.
    const { value, parameters } = parseParameters(Buffer.concat([SEMICOLON, raw]))
    const groups = new Map<string, Parameter[]>()
    for (const parameter of parameters) {
      const name = parameter.name.replace(/\*.*$/s, '')
      // A charset is no name, and the number of a message in parts is an address (RFC 2046, section 5.2.2).
      if (name === 'charset' || (name === 'id' && part.type === 'message/partial')) continue
      const group = groups.get(name)
      if (group === undefined) groups.set(name, [parameter])
      else group.push(parameter)
    }
    for (const [name, group] of groups) {
      for (const text of readingsOf({ value, parameters: group }, name)) values.add(text)
    }
  }
  return [...values]
}

const SEMICOLON = Buffer.from(';')
