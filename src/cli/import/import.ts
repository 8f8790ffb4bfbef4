/** `tsmilter import KIND FILE...`: a piece of tsmilter.yaml of the configuration of another program. */
import { UsageError } from '../../errors.ts'
import { readConfig } from '../config/input-file.ts'
import { importHeaderChecks } from './header-checks.ts'
import { importMilterGreylist } from './milter-greylist.ts'
import { importOpenDkim } from './opendkim.ts'
import type { Piece, Source } from './piece.ts'
import { importPolicydRateLimit } from './policyd-rate-limit.ts'
import { importPostgrey } from './postgrey.ts'
import { importPostSrsd } from './postsrsd.ts'

export type ImportKind =
  | 'opendkim'
  | 'postgrey'
  | 'postsrsd'
  | 'header_checks'
  | 'milter-greylist'
  | 'policyd-rate-limit'

/** @throws UsageError INVALID_OPTION */
export function importFiles(kind: ImportKind, files: readonly string[]): string {
  if (kind === 'header_checks') return String(importHeaderChecks(files.map(tableAt)))
  const sources = files.map((path) => ({ path, text: textOf(path) }))
  if (kind === 'postgrey') return String(importPostgrey(sources))
  const [source, another] = sources
  if (source === undefined || another !== undefined) {
    throw wrong(
      kind === 'opendkim'
        ? 'opendkim takes one file, opendkim.conf: the tables are named there'
        : `${kind} takes one file`,
    )
  }
  return String(ONE_FILE[kind](source))
}

const ONE_FILE: Readonly<
  Record<Exclude<ImportKind, 'header_checks' | 'postgrey'>, (source: Source) => Piece>
> = {
  opendkim: (source) => importOpenDkim(source, readable),
  postsrsd: importPostSrsd,
  'milter-greylist': importMilterGreylist,
  'policyd-rate-limit': importPolicydRateLimit,
}

function tableAt(name: string): Source {
  const [, path] = /^(?:pcre|regexp):(.+)$/.exec(name) ?? []
  if (path === undefined) {
    throw wrong(`${name}: write pcre:FILE or regexp:FILE, as header_checks has it in main.cf`)
  }
  return { path: name, text: textOf(path) }
}

/** Access methods of Berkeley DB have their magic number at byte 12 (db_page.h), in the order of the machine. */
const MAGIC = [0x05_3162, 0x06_1561]

function textOf(path: string): string {
  const read = readConfig(path)
  if ('wrong' in read) throw wrong(`${path} ${read.wrong}`)
  const { bytes } = read
  if (
    bytes.length >= 16 &&
    (MAGIC.includes(bytes.readUInt32LE(12)) || MAGIC.includes(bytes.readUInt32BE(12)))
  ) {
    throw wrong(
      `${path} is a Berkeley DB, which only its own tools read: run db_dump -p ${path} >dump.txt (package db-util), and name that file`,
    )
  }
  return bytes.toString()
}

function readable(path: string): string | undefined {
  const read = readConfig(path)
  return 'wrong' in read ? undefined : read.bytes.toString()
}

const wrong = (text: string): UsageError => new UsageError('INVALID_OPTION', text)
