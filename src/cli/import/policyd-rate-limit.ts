/** policyd-rate-limit.yaml for `rateLimit`. */
import { entryOf, plainOf, type ConfigNode } from '../config/nodes.ts'
import { inOrder, lineOf } from '../config/place.ts'
import { readYaml } from '../config/yaml.ts'
import { UsageError } from '../../errors.ts'
import { Piece, type Source } from './piece.ts'

const PROCESS = 'the unit, listen and the store take its place'
const WHY_NOT: Readonly<Record<string, string>> = {
  debug: 'the option logLevel',
  user: PROCESS,
  group: PROCESS,
  pidfile: PROCESS,
  SOCKET: PROCESS,
  socket_permission: PROCESS,
  delay_to_close: PROCESS,
  backend: PROCESS,
  mysql_config: PROCESS,
  sqlite_config: PROCESS,
  pgsql_config: PROCESS,
  success_action: 'mail within its limits goes on to the next filter',
  fail_action: 'the option action: defer or refuse',
  db_error_action: 'the option onStoreFailure: open, closed or local',
  report: 'the option notice tells at once, not once a day',
  report_from: 'the option notice.from',
  report_to: 'the option notice.to',
  report_subject: 'the subject of a notice is fixed',
  report_limits: 'the option notice tells of each limit',
  report_only_if_needed: 'a notice is sent only if a limit is used up',
  smtp_server: 'the option notice.server',
  smtp_starttls: 'the option notice.server is for the mail server of this machine',
  smtp_credentials: 'the option notice.server is for the mail server of this machine',
  limited_networks:
    'client counts all clients from outside; exempt networks are in the option networks',
}

/** @throws UsageError INVALID_OPTION if it is not YAML */
export function importPolicydRateLimit({ path, text }: Source): Piece {
  const piece = new Piece('rateLimit')
  const { root, mistakes } = readYaml(Buffer.from(text), path, () => ({ wrong: 'is a tag' }))
  if (root?.type !== 'map') {
    const [first] = inOrder(mistakes)
    const why = first === undefined ? `${path}: is not an object of settings` : lineOf(first)
    throw new UsageError('INVALID_OPTION', why)
  }
  const value = (name: string): unknown => {
    const entry = entryOf(root, name)
    return entry && plainOf(entry.value)
  }
  // 0, or none: it counts at RCPT (policyd.py, protocol_state). 1 is for one count at DATA.
  const unit = value('count_mode') === 1 ? 'messages' : 'recipients'
  const node = entryOf(root, 'limits')
  const limits = node === undefined ? [] : limitsIn(node.value)
  const isOn = (name: string, usual: boolean): boolean => toBoolean(value(name) ?? usual)
  if (limits === undefined)
    piece.leave(path, node!.place.line, 'limits', 'takes pairs: [10, 60]')
  else if (limits.length > 0) {
    if (isOn('limit_by_sasl', true)) piece.options['login'] = { [unit]: limits }
    if (isOn('limit_by_sender', false)) piece.options['sender'] = { [unit]: limits }
    if (isOn('limit_by_ip', false)) piece.options['client'] = { [unit]: limits }
  }
  const handled = ['limits', 'count_mode', 'limit_by_sasl', 'limit_by_sender', 'limit_by_ip']
  for (const { key, place, value: of } of root.entries) {
    if (handled.includes(key)) continue
    if (key === 'limits_by_id') takeUsers(piece, path, of, unit)
    else piece.leave(path, place.line, key, WHY_NOT[key] ?? 'rateLimit has nothing for it')
  }
  return piece
}

/** Limits of some users are lines of a table, which is a file of its own. */
function takeUsers(piece: Piece, path: string, node: ConfigNode, unit: string): void {
  if (node.type !== 'map' || node.entries.length === 0) return
  const lines: string[] = []
  for (const { key, value, place } of node.entries) {
    const limits = limitsIn(value)
    if (limits === undefined) piece.leave(path, place.line, key, 'takes pairs: [10, 60]')
    else
      lines.push(`${key} ${limits.length === 0 ? 'unlimited' : `${unit}=${limits.join(',')}`}`)
  }
  if (lines.length === 0) return
  piece.notes.push('Write these lines into /etc/tsmilter/limits:', ...lines)
  piece.options['users'] = 'texthash:/etc/tsmilter/limits'
}

/** `[[10, 60], [150, 86400]]`: numbers and seconds. */
function limitsIn(node: ConfigNode): string[] | undefined {
  const pairs = plainOf(node)
  if (!Array.isArray(pairs)) return undefined
  const limits = pairs.map((pair: unknown) => {
    const [count, seconds] = Array.isArray(pair) ? (pair as unknown[]) : []
    return isCount(count) && isCount(seconds) ? `${count}/${seconds}s` : undefined
  })
  return limits.every((one) => one !== undefined) ? limits : undefined
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) > 0
/** PyYAML reads YAML 1.1, in which these are true. */
const toBoolean = (value: unknown): boolean =>
  typeof value === 'string' ? /^(?:true|yes|on)$/i.test(value) : value === true
