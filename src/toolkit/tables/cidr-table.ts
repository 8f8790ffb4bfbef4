import { invalidEntry, shown, type Place } from '../entry.ts'
import { BITS, readIp, whyNot, type IpAddress } from '../ip/ip-address.ts'
import { FirstNetwork, inNetwork, parseIpNetwork, type IpNetwork } from '../ip/ip-networks.ts'
import { parseRules, type Rule } from './rule-blocks.ts'
import { LocalTable } from './table.ts'

/**
 * Networks and values, in their order: the text of a `cidr:` table of Postfix (cidr_table(5)), with `!`, `if` and
 * `endif`. The first network that an address is in counts. A key that is not an address is not there. Unlike in Postfix,
 * `::ffff:192.0.2.1` is the IPv4 address.
 *
 *     new CidrTable('192.0.2.1 OK\n192.0.2.0/24 REJECT\n').get('192.0.2.7') // 'REJECT'
 */
export class CidrTable extends LocalTable {
  readonly #steps: readonly Step[]

  /** @throws UsageError INVALID_ENTRY for a line that Postfix leaves out with a warning */
  constructor(text: string, { name = 'cidr table' }: { readonly name?: string } = {}) {
    super()
    this.#steps = stepsOf(parseRules(text, name, parseCondition, () => {}))
  }

  get wholeKeys(): boolean {
    return true
  }

  get(key: string): string | undefined {
    const address = readIp(key)
    return address === undefined ? undefined : valueIn(this.#steps, address)
  }
}

/** Networks in a row, which are looked up together because tables have 100,000 of them; or one `if` or `!`. */
type Step =
  | FirstNetwork<string>
  | { readonly rule: Rule<IpNetwork>; readonly block: readonly Step[] | undefined }

function stepsOf(rules: readonly Rule<IpNetwork>[]): Step[] {
  const steps: Step[] = []
  for (const rule of rules) {
    const { condition, negated, block, value } = rule
    if (negated || value === undefined) {
      steps.push({ rule, block: block === undefined ? undefined : stepsOf(block) })
      continue
    }
    let networks = steps.at(-1)
    if (!(networks instanceof FirstNetwork)) {
      networks = new FirstNetwork<string>()
      steps.push(networks)
    }
    networks.add(condition, value)
  }
  return steps
}

function valueIn(steps: readonly Step[], address: IpAddress): string | undefined {
  for (const step of steps) {
    let value: string | undefined
    if (step instanceof FirstNetwork) value = step.get(address)
    else if (applies(step.rule, address)) {
      value = step.block === undefined ? step.rule.value : valueIn(step.block, address)
    }
    if (value !== undefined) return value
  }
  return undefined
}

/** "Not in 10.0.0.0/8" is about IPv4 only (Postfix, cidr_match.c). */
const applies = ({ condition, negated }: Rule<IpNetwork>, address: IpAddress): boolean =>
  address.family === condition.family && inNetwork(address, condition) !== negated

function parseCondition(text: string, place: Place): readonly [IpNetwork, rest: string] {
  const pattern = /^\S*/.exec(text)![0]
  const written = pattern.replace(/^\[([^\]]*)\]/, '$1')
  const network = parseIpNetwork(written)
  if (network === 'not-ip') {
    throw invalidEntry(
      place,
      `${shown(pattern)} is not an IP address or network${whyNot(written)}`,
      'write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32',
    )
  }
  if (network === 'prefix') {
    throw invalidEntry(
      place,
      `${shown(pattern)} has no valid prefix length`,
      'write 0 to 32 for IPv4, 0 to 128 for IPv6',
    )
  }
  const rest = BITS[network.family] - network.prefix
  if ((network.value >> BigInt(rest)) << BigInt(rest) !== network.value) {
    throw invalidEntry(
      place,
      `${shown(pattern)} has bits after its prefix`,
      'write the first address of the network, such as 192.0.2.0/24, or a longer prefix',
    )
  }
  return [network, text.slice(pattern.length)]
}
