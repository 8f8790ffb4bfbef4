/** Whether the name of a host looks as if a provider gave it to a customer's line. */
import { isIPv4 } from 'node:net'

/** No name in DNS is longer. */
const MAX_NAME = 255
/** Stands for the digits that are the last number of the address; no name has it. */
const LAST = '\0'

/** Names of providers' lines. `N` is the last number of the address. */
const PATTERNS = new RegExp(
  [
    '^N\\.',
    'userN\\.',
    '[Cc]ustN\\.',
    'hN\\.',
    'pN\\.pool',
    'ppp[^.]*N\\.',
    '-ppp\\d*\\.',
    '-N\\.',
    'xdsl-\\d*\\.',
    '-\\d*-\\d*\\.',
    '\\.adsl\\.',
    '\\.cable\\.',
    'no-reverse',
    'h[0-9a-f]{12}\\.',
    'S[0-9a-f]{16}\\.[a-z]{2}\\.',
    'pcp\\d{6,10}pcs\\.',
    'h\\d*n\\d*c\\d*o\\d*\\.',
  ]
    .join('|')
    .replaceAll('N', LAST),
)

/**
 * Whether the host name of a client looks dynamic: it has the numbers of the address in it, or is built as providers name
 * their customers' lines. These are the rules of pymilter's `is_dynip`. They are guesses by a name: use them to add to a
 * score, not to reject. An address without a name, such as `[192.0.2.1]`, counts as dynamic.
 *
 * It never throws. Without an address the answer is false. Of an IPv6 address, or a text that is no address, it sees only
 * whether the name contains it.
 *
 *     isDynamicHostName('adsl-192-0-2-1.dsl.example.net', '192.0.2.1') // true
 *     isDynamicHostName('mail.example.org', '192.0.2.1') // false
 */
export function isDynamicHostName(host: string, address: string | undefined): boolean {
  if (host.startsWith('[') && host.endsWith(']')) return true
  if (address === undefined || address === '') return false
  const name = host.slice(0, MAX_NAME).replaceAll(LAST, '?')
  if (name.includes(address)) return true
  if (!isIPv4(address)) return false
  const octets = address.split('.').map(Number)
  const runs = [...name.matchAll(/\d{1,3}/g)]
  if (hasNumbers(runs.slice(0, 4).map(Number), octets)) return true
  const last = runs.find((run) => Number(run) === octets[3])
  const marked =
    last === undefined
      ? name
      : name.slice(0, last.index) + LAST + name.slice(last.index + last[0].length)
  if (PATTERNS.test(marked)) return true
  const [a, b, c, d] = address.split('.')
  const hex = octets.map((octet) => octet.toString(16).padStart(2, '0')).join('')
  return (
    name.includes(`${a}${b}${c}`) ||
    name.includes(`${b}${c}${d}`) ||
    name.toLowerCase().includes(hex)
  )
}

/** Whether numbers of a name, at most four, are those of the address, in this order or the other. */
function hasNumbers(numbers: readonly number[], octets: readonly number[]): boolean {
  const [first, second, third, fourth] = octets
  const reversed = numbers.toReversed()
  return (
    [numbers.slice(-3), reversed.slice(0, 3)].some(
      (three) => equal(three, [first, second, third]) || equal(three, [second, third, fourth]),
    ) ||
    equal(numbers.slice(0, 3), [fourth, first, second]) ||
    [numbers.slice(-2), reversed.slice(0, 2), reversed.slice(-2)].some((two) =>
      equal(two, [third, fourth]),
    )
  )
}

const equal = (a: readonly number[], b: readonly (number | undefined)[]): boolean =>
  a.length === b.length && a.every((number, i) => number === b[i])
