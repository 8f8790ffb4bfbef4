/**
 * Reads YAML 1.2 (core schema) into nodes with places. The parts of YAML that nobody needs in a configuration are
 * mistakes: several documents, tags, merge keys, names that are not text. What aliases stand for is bounded.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  visit,
  type Document,
  type Pair,
  type ParsedNode,
  type Scalar,
} from 'yaml'
import type { ConfigNode, MapEntry, ScalarNode } from './nodes.ts'
import type { FileMistake, Place } from './place.ts'

/** Maximum number of values, with what aliases stand for. */
const MAX_SIZE = 20_000
const MAX_DEPTH = 30

/** Gives the value of a tag such as `!env`, or says what is wrong. */
export type TagReader = (
  tag: string,
  text: string,
  place: Place,
) => TagValue | { readonly wrong: string }

interface TagValue {
  readonly value: string
  /** where it comes from, in words */
  readonly source: string
  /** the file that has it */
  readonly file?: string
}

export interface YamlResult {
  /** undefined for an empty file, and for one that cannot be read */
  readonly root: ConfigNode | undefined
  readonly mistakes: readonly FileMistake[]
}

/** @param file its name in messages */
export function readYaml(bytes: Uint8Array, file: string, readTag: TagReader): YamlResult {
  const at = (line: number, column = 1): Place => ({ file, line, column })
  const failed = (place: Place, text: string): YamlResult => ({
    root: undefined,
    mistakes: [{ place, text }],
  })
  const line = firstLineNotUtf8(bytes)
  if (line !== undefined)
    return failed(at(line), 'is not UTF-8: save the file in this encoding')
  const text = new TextDecoder().decode(bytes)
  const deep = firstLineTooDeep(text)
  if (deep !== undefined) {
    return failed(
      at(deep),
      `has more than ${10 * MAX_DEPTH} brackets inside of each other: close them, or put text in quotes`,
    )
  }
  const lines = new LineCounter()
  let documents: ReturnType<typeof parseAllDocuments>
  try {
    documents = parseAllDocuments(text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: 'silent',
      lineCounter: lines,
    })
  } catch (error) {
    // A text that is nested so deeply that the parser runs out of stack.
    if (!(error instanceof RangeError)) throw error
    return failed(at(1), 'is nested too deeply to be read')
  }
  const placeOf = (offset: number): Place => {
    const { line: row, col } = lines.linePos(offset)
    return at(Math.max(1, row), Math.max(1, col))
  }
  if (!Array.isArray(documents) || documents.length === 0)
    return { root: undefined, mistakes: [] }
  const mistakes: FileMistake[] = []
  const [first, second] = documents as Document.Parsed[]
  for (const document of documents as Document.Parsed[]) {
    const { errors } = document
    const seen = new Set<number>()
    for (const { code, pos, message } of errors) {
      const open = openAt(document, code, message, pos[0])
      const place = placeOf(open?.offset ?? pos[0])
      // One mistake often makes several errors in its line.
      if (seen.has(place.line)) continue
      seen.add(place.line)
      mistakes.push({ place, text: open?.text ?? REMEDIES[code] ?? `is not YAML: ${message}` })
    }
  }
  if (second !== undefined) {
    const place = placeOf(second.range[0])
    mistakes.push({
      place,
      text: 'begins another document: a configuration is one, so remove the line with ---',
    })
  }
  if (mistakes.length > 0) return { root: undefined, mistakes }
  const root = new Converter(file, placeOf, readTag, mistakes).convert(first!)
  return { root, mistakes }
}

/** A quote or bracket that nothing closes: the parser says where the text ends, but the mistake is where it begins. */
function openAt(
  document: Document.Parsed,
  code: string,
  message: string,
  offset: number,
): { readonly offset: number; readonly text: string } | undefined {
  let found: { readonly offset: number; readonly text: string } | undefined
  if (code === 'MISSING_CHAR' && message.includes('quote')) {
    visit(document, {
      Scalar(_, { range, type }) {
        if (
          range === undefined ||
          range === null ||
          type?.startsWith('QUOTE_') !== true ||
          range[1] < offset
        )
          return
        const quote = type === 'QUOTE_DOUBLE' ? '"' : "'"
        found = {
          offset: range[0],
          text: `begins with ${quote} and does not end with it: close the quote`,
        }
      },
    })
  } else if (message.startsWith('Flow ')) {
    visit(document, {
      Collection(_, { range, flow }) {
        if (
          range === undefined ||
          range === null ||
          flow !== true ||
          range[0] >= offset ||
          range[2] < offset
        )
          return
        found = {
          offset: range[0],
          text: 'has a bracket that is not closed: write ] or } at its end',
        }
      },
    })
  }
  return found
}

/** What to do, by the code of the error. */
const REMEDIES: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'is indented with a tab: use spaces',
  BAD_INDENT:
    'is not indented as the lines before it: give all lines of one list or object the same spaces, and close each [ and {',
  BLOCK_AS_IMPLICIT_KEY:
    'has a second colon, or is indented too far: put text with ": " in quotes, or give the line the spaces of the one above',
  MULTILINE_IMPLICIT_KEY: 'is no name in one line: write NAME: VALUE',
  MISSING_CHAR:
    'ends before a quote, a bracket or a colon that is missing: close it, or write NAME: VALUE',
  BAD_SCALAR_START: 'begins with a character that is reserved in YAML: put the text in quotes',
  BAD_DQ_ESCAPE:
    'has a backslash in double quotes that stands for nothing: use single quotes, or two backslashes',
  UNEXPECTED_TOKEN:
    'does not belong here: either all lines of a block begin with "- ", or all are NAME: VALUE',
  BAD_ALIAS: 'has an alias with a name that cannot be: write *NAME for &NAME above',
  BAD_DIRECTIVE: 'has a directive that is not known: remove the line with %',
  BLOCK_IN_FLOW:
    'has lines with "- " or NAME: VALUE inside of brackets: write them without brackets',
  MULTIPLE_ANCHORS: 'has two anchors: give one &NAME',
  MULTIPLE_TAGS: 'has two tags: give one',
  KEY_OVER_1024_CHARS: 'has a name of more than 1024 characters: a colon is probably missing',
}

/** Makes nodes of one document, in its order, so that an anchor is known before its aliases. */
class Converter {
  readonly #file: string
  readonly #placeOf: (offset: number) => Place
  readonly #readTag: TagReader
  readonly #mistakes: FileMistake[]
  readonly #anchors = new Map<string, ConfigNode>()

  constructor(
    file: string,
    placeOf: (offset: number) => Place,
    readTag: TagReader,
    mistakes: FileMistake[],
  ) {
    this.#file = file
    this.#placeOf = placeOf
    this.#readTag = readTag
    this.#mistakes = mistakes
  }

  convert({ contents }: Document.Parsed): ConfigNode | undefined {
    if (contents === null) return undefined
    const root = this.#node(contents, 0)
    if (root.type === 'scalar' && root.value === null) return undefined
    return root
  }

  #node(node: ParsedNode | null, depth: number, after?: Place): ConfigNode {
    const place =
      node === null
        ? (after ?? { file: this.#file, line: 1, column: 1 })
        : this.#placeOf(node.range[0])
    if (node === null) return nothing(place)
    if (depth > MAX_DEPTH) {
      return this.#wrong(place, `is inside of more than ${MAX_DEPTH} lists and objects`)
    }
    if (isAlias(node)) {
      return (
        this.#anchors.get(node.source) ??
        this.#wrong(
          place,
          `*${node.source} stands for nothing: write &${node.source} at a value above it`,
        )
      )
    }
    const made = this.#content(node, place, depth)
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, made)
    return made
  }

  #content(node: ParsedNode, place: Place, depth: number): ConfigNode {
    if (isScalar(node)) return this.#scalar(node, place)
    if (node.tag?.startsWith('!') === true) {
      const known = node.tag === '!env' || node.tag === '!file'
      const text = `${node.tag} stands before one text, not before a list or an object`
      return this.#wrong(place, known ? text : unknownTag(node.tag))
    }
    if (isSeq(node)) {
      const items = node.items.map((item) => this.#node(item, depth + 1, place))
      return this.#bounded({ type: 'list', items, place, size: sizeOf(items) })
    }
    if (!isMap(node)) return nothing(place)
    const entries: MapEntry[] = []
    for (const pair of node.items) {
      const entry = this.#entry(pair, depth)
      if (entry === undefined) continue
      const before = entries.find(({ key }) => key === entry.key)
      if (before === undefined) entries.push(entry)
      else {
        this.#wrong(
          entry.place,
          `${entry.key} is here twice: it is also in line ${before.place.line}; write one of them`,
        )
      }
    }
    return this.#bounded({
      type: 'map',
      entries,
      place,
      size: sizeOf(entries.map(({ value }) => value)),
    })
  }

  #entry(
    { key, value }: Pair<ParsedNode, ParsedNode | null>,
    depth: number,
  ): MapEntry | undefined {
    const place = this.#placeOf(key.range[0])
    if (!isScalar(key)) {
      this.#wrong(place, 'has a list or an object in the place of a name: write NAME: VALUE')
      return undefined
    }
    const name = key.source ?? String(key.value)
    if (name === '<<') {
      this.#wrong(
        place,
        '<< is not read: write the options here, or give a whole value an anchor',
      )
      return undefined
    }
    return { key: name, place, value: this.#node(value, depth + 1, place) }
  }

  #scalar(node: Scalar.Parsed, place: Place): ScalarNode {
    const { tag, value, source } = node
    if (tag?.startsWith('!') === true) {
      const read = this.#readTag(tag, source.trim(), place)
      if ('wrong' in read) {
        return this.#wrong(place, read.wrong)
      }
      return { type: 'scalar', value: read.value, place, size: 1, secret: read.source }
    }
    // A number that begins with 0 is text: the mode 0660 means octal digits, and YAML 1.2 would read 660.
    const plain =
      node.type === 'PLAIN' && /^[-+]?0\d+$/.test(source)
        ? source
        : (value as ScalarNode['value'])
    return {
      type: 'scalar',
      value: typeof plain === 'bigint' ? String(plain) : plain,
      place,
      size: 1,
      ...(typeof plain === 'number' && { source }),
    }
  }

  #bounded(node: ConfigNode): ConfigNode {
    if (node.size <= MAX_SIZE) return node
    return this.#wrong(
      node.place,
      `has more than ${MAX_SIZE} values, with what its aliases stand for: write fewer aliases of aliases`,
    )
  }

  #wrong(place: Place, text: string): ScalarNode {
    this.#mistakes.push({ place, text })
    return { ...nothing(place), failed: true }
  }
}

const nothing = (place: Place): ScalarNode => ({ type: 'scalar', value: null, place, size: 1 })
const sizeOf = (nodes: readonly ConfigNode[]): number =>
  nodes.reduce((sum, { size }) => sum + size, 1)

export const unknownTag = (tag: string): string =>
  `${tag} is not known: the tags are !env NAME for a variable of the environment, and !file PATH for the content of a file`

function firstLineNotUtf8(bytes: Uint8Array): number | undefined {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const isUtf8 = (part: Uint8Array): boolean => {
    try {
      decoder.decode(part)
      return true
    } catch {
      return false
    }
  }
  if (isUtf8(bytes)) return undefined
  let [line, start] = [1, 0]
  for (;;) {
    const end = bytes.indexOf(0x0a, start)
    if (end === -1 || !isUtf8(bytes.subarray(start, end))) return line
    start = end + 1
    line++
  }
}

/** Brackets that are not in quotes may be fewer: what looks too deep has more than anybody writes. */
function firstLineTooDeep(text: string): number | undefined {
  let [depth, line] = [0, 1]
  for (const [found] of text.matchAll(/[\n[\]{}]/g)) {
    if (found === '\n') {
      line++
      continue
    }
    depth = Math.max(0, depth + (found === '[' || found === '{' ? 1 : -1))
    if (depth > 10 * MAX_DEPTH) return line
  }
  return undefined
}
