/** A resolver with a table: names in the form `example.org MX`, and what each answers. */
import type { MxAnswer, MxResolver } from '../../src/toolkit/index.ts'

type Records = readonly string[]

/** MX records are written `10 mx.example.org`. `fail` means that nobody knows; what is not there does not exist. */
export function mxTable(
  table: Readonly<Record<string, Records | 'fail' | 'never'>>,
): MxResolver & {
  readonly asked: string[]
} {
  const asked: string[] = []
  const resolve = async (name: string, type: string): Promise<MxAnswer<unknown>> => {
    asked.push(`${name} ${type}`)
    const records = table[`${name} ${type}`]
    if (records === 'fail') return { failed: 'timeout' }
    if (records === 'never') return await new Promise(() => {})
    if (records === undefined || records.length === 0) {
      const known = Object.keys(table).some((key) => key.startsWith(`${name} `))
      return { none: known ? 'no-data' : 'no-domain' }
    }
    if (type !== 'MX') return { found: records }
    return {
      found: records.map((record) => {
        const [priority, exchange = ''] = record.split(' ')
        return { priority: Number(priority), exchange }
      }),
    }
  }
  return { asked, resolve: resolve as MxResolver['resolve'] }
}
