/** Lines of pymilter's AddrCache: `address` for one that stays, `address 2026Nov23 07:36:23 UTC` for others. */

const MONTHS = [
  'Jan',
  'Feb',
  'Mar',
  'Apr',
  'May',
  'Jun',
  'Jul',
  'Aug',
  'Sep',
  'Oct',
  'Nov',
  'Dec',
]
const STAMPED = /^(.+?)[ \t]+(\d{4}[A-Z][a-z]{2}\d.*)$/s
const STAMP = /^(\d{4})([A-Z][a-z]{2})(\d{2}) (\d{2}):(\d{2}):(\d{2}) ([A-Za-z0-9+-]+)$/

export interface CacheLine {
  /** as it was written */
  readonly address: string
  /** Unix time in milliseconds; undefined for one that stays */
  readonly stamp: number | undefined
}

/** @returns what is wrong with it, if it is no such line */
export function parseCacheLine(line: string): CacheLine | string {
  const [, stamped, time = ''] = STAMPED.exec(line) ?? []
  if (stamped === undefined) {
    // An address with spaces has them in quotes.
    return /[ \t]/.test(line.replaceAll(/"[^"]*"/g, ''))
      ? 'after the address is no time'
      : { address: line, stamp: undefined }
  }
  const [, year, month, day, hours, minutes, seconds] = STAMP.exec(time) ?? []
  const number = MONTHS.indexOf(month ?? '')
  const stamp = Date.UTC(
    Number(year),
    number,
    Number(day),
    Number(hours),
    Number(minutes),
    Number(seconds),
  )
  if (number === -1 || formatStamp(stamp) !== time.replace(/ \S+$/, ' UTC')) {
    return 'its time is not of the form 2026Nov23 07:36:23 UTC'
  }
  return { address: stamped, stamp }
}

const two = (number: number): string => String(number).padStart(2, '0')

function formatStamp(time: number): string {
  const date = new Date(time)
  const day = `${date.getUTCFullYear()}${MONTHS[date.getUTCMonth()]}${two(date.getUTCDate())}`
  const clock = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
    .map(two)
    .join(':')
  return `${day} ${clock} UTC`
}

export const formatCacheLine = ({ address, stamp }: CacheLine): string =>
  stamp === undefined ? `${address}\n` : `${address} ${formatStamp(stamp)}\n`
