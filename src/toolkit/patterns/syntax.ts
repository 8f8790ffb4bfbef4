/**
 * Reads a pattern: an extended regular expression of POSIX (`regexp`), or the part of Perl's that needs no backtracking
 * (`pcre`). What is left out has no bound on its time, or depends on more than the characters: back references,
 * lookaround, atomic groups.
 */
import {
  ANY,
  anyOf,
  both,
  charRange,
  ESCAPED_SETS,
  folded,
  NEWLINE,
  not,
  POSIX_CLASSES,
  single,
  type CharSet,
} from './char-set.ts'

export type Syntax = 'regexp' | 'pcre'

export interface PatternFlags {
  /** letters of both cases are the same */
  readonly ignoreCase: boolean
  /** `^` and `$` match at each line */
  readonly multiline: boolean
  /** `.` matches a line break, too */
  readonly dotAll: boolean
  /** spaces and comments in the pattern do not count */
  readonly extended: boolean
  /** `$` does not match before a line break at the end */
  readonly dollarEndOnly: boolean
  /** a quantifier takes as little as possible, and `?` after it makes it take as much as possible */
  readonly ungreedy: boolean
}

export type Assertion =
  'start' | 'end' | 'line-start' | 'line-end' | 'last-line-end' | 'word-edge' | 'no-word-edge'

export type Node =
  /** `char` is the only one in the set, or the only one but for its case */
  | { readonly type: 'set'; readonly set: CharSet; readonly char?: string }
  | { readonly type: 'assert'; readonly what: Assertion }
  | { readonly type: 'sequence'; readonly nodes: readonly Node[] }
  | { readonly type: 'choice'; readonly nodes: readonly Node[] }
  | { readonly type: 'group'; readonly index: number; readonly node: Node }
  | {
      readonly type: 'repeat'
      readonly node: Node
      readonly min: number
      readonly max: number
      readonly greedy: boolean
    }

export interface ParsedPattern {
  readonly node: Node
  /** groups in brackets that `$1` can name */
  readonly groups: number
}

/** Why a text is not a pattern; the message is the rest of a sentence about it. */
export class PatternError extends Error {}

const MAX_DEPTH = 100
const MAX_REPEAT = 1_000
const MAX_GROUPS = 200
const UNSAFE =
  'which takes time without a bound; write the rule without it (two rules, "!" or if and endif), or use a function'

const CONTROL: Readonly<Record<string, string>> = {
  t: '\t',
  n: '\n',
  r: '\r',
  f: '\f',
  e: '\u001b',
  a: '\u0007',
}

/** @throws PatternError */
export function parsePattern(
  source: string,
  flags: PatternFlags,
  syntax: Syntax,
): ParsedPattern {
  return new Parser(source, flags, syntax).parse()
}

class Parser {
  readonly #chars: readonly string[]
  readonly #pcre: boolean
  #flags: PatternFlags
  #at = 0
  #groups = 0
  #depth = 0
  /** quantifiers of what has one already */
  #again = 0

  constructor(source: string, flags: PatternFlags, syntax: Syntax) {
    this.#chars = Array.from(source)
    this.#flags = flags
    this.#pcre = syntax === 'pcre'
  }

  parse(): ParsedPattern {
    const node = this.#choice()
    if (this.#at < this.#chars.length) throw new PatternError('it has a ")" without a "("')
    return { node, groups: this.#groups }
  }

  #peek(text: string): boolean {
    return this.#chars.slice(this.#at, this.#at + text.length).join('') === text
  }

  #take(text: string): boolean {
    if (!this.#peek(text)) return false
    this.#at += text.length
    return true
  }

  #choice(): Node {
    if (++this.#depth > MAX_DEPTH) {
      throw new PatternError(`it has more than ${MAX_DEPTH} brackets in each other`)
    }
    const before = this.#flags
    const nodes = [this.#sequence()]
    while (this.#take('|')) nodes.push(this.#sequence())
    this.#flags = before
    this.#depth--
    return nodes.length === 1 ? nodes[0]! : { type: 'choice', nodes }
  }

  #sequence(): Node {
    const nodes: Node[] = []
    for (;;) {
      this.#skipped()
      if (this.#at >= this.#chars.length || this.#peek('|')) break
      // Outside of brackets, ")" has no meaning in POSIX; it is left to parse() as an error.
      if (this.#peek(')')) break
      const node = this.#atom(nodes.length === 0)
      if (node !== undefined) nodes.push(this.#quantified(node))
    }
    return nodes.length === 1 ? nodes[0]! : { type: 'sequence', nodes }
  }

  /** Goes over spaces and comments, if they do not count. */
  #skipped(): void {
    if (!this.#flags.extended) return
    for (;;) {
      if (/^\s$/.test(this.#chars[this.#at] ?? '')) this.#at++
      else if (this.#take('#')) {
        while (this.#at < this.#chars.length && this.#chars[this.#at] !== '\n') this.#at++
      } else return
    }
  }

  /** @param first whether it begins a sequence. Undefined for what says nothing: a comment, flags. */
  #atom(first: boolean): Node | undefined {
    const char = this.#chars[this.#at++]!
    switch (char) {
      case '(':
        return this.#group()
      case '[':
        return this.#set(this.#brackets())
      case '.':
        return {
          type: 'set',
          set: this.#flags.dotAll ? ANY : not(NEWLINE),
        }
      case '^':
        return { type: 'assert', what: this.#flags.multiline ? 'line-start' : 'start' }
      case '$':
        return { type: 'assert', what: this.#dollar() }
      case '\\':
        return this.#escape()
      case '*':
      case '+':
      case '?':
        // POSIX: a "*" at the beginning is a character.
        if (first && !this.#pcre && char === '*') return this.#literal(char)
        throw new PatternError(`it has a "${char}" with nothing before it`)
      default:
        return this.#literal(char)
    }
  }

  #dollar(): Assertion {
    if (this.#flags.multiline) return 'line-end'
    return this.#pcre && !this.#flags.dollarEndOnly ? 'last-line-end' : 'end'
  }

  #literal(char: string): Node {
    return { ...this.#set(single(char.codePointAt(0)!)), char }
  }

  #set(set: CharSet): Extract<Node, { type: 'set' }> {
    return { type: 'set', set: this.#flags.ignoreCase ? folded(set) : set }
  }

  #group(): Node | undefined {
    let index: number | undefined
    const before = this.#flags
    if (this.#pcre && this.#take('?')) {
      if (this.#take('#')) {
        while (this.#at < this.#chars.length && !this.#take(')')) this.#at++
        return undefined
      }
      const rest = this.#chars.slice(this.#at, this.#at + 80).join('')
      const name = /^(?:P?<\w+>|'\w+')/.exec(rest)?.[0]
      const flags = /^([imsxU]*)(?:-([imsxU]*))?([:)])/.exec(rest)
      if (name !== undefined) {
        this.#at += name.length
        index = ++this.#groups
      } else if (flags === null) {
        throw new PatternError(`it has "(?${rest.slice(0, 2)}", ${UNSAFE}`)
      } else {
        this.#at += flags[0].length
        this.#flags = withFlags(withFlags(before, flags[1] ?? '', true), flags[2] ?? '', false)
        // To the end of the group around it.
        if (flags[3] === ')') return undefined
      }
    } else if (this.#pcre && this.#peek('*')) {
      throw new PatternError(`it has "(*", ${UNSAFE}`)
    } else index = ++this.#groups
    if (this.#groups > MAX_GROUPS) {
      throw new PatternError(`it has more than ${MAX_GROUPS} groups in brackets`)
    }
    const node = this.#choice()
    this.#flags = before
    if (!this.#take(')')) throw new PatternError('it has a "(" without a ")"')
    return index === undefined
      ? { type: 'sequence', nodes: [node] }
      : { type: 'group', index, node }
  }

  #quantified(node: Node): Node {
    let result = node
    for (let first = true; ; first = false) {
      this.#skipped()
      const range = this.#range()
      if (range === undefined) return result
      // Each is a level of its own.
      if (!first && ++this.#again > MAX_DEPTH) {
        throw new PatternError(`it has more than ${MAX_DEPTH} quantifiers after others`)
      }
      let greedy = !this.#flags.ungreedy
      if (this.#pcre && this.#take('?')) greedy = !greedy
      else if (this.#pcre && this.#peek('+')) {
        throw new PatternError(`it has a "+" after a quantifier, ${UNSAFE}`)
      }
      result = { type: 'repeat', node: result, ...range, greedy }
    }
  }

  #range(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity }
    if (this.#take('+')) return { min: 1, max: Infinity }
    if (this.#take('?')) return { min: 0, max: 1 }
    const found = /^\{(\d{0,5})(?:(,)(\d{0,5}))?\}/.exec(
      this.#chars.slice(this.#at, this.#at + 14).join(''),
    )
    if (found === null) return undefined
    const [all, least, comma, most] = found
    // Without numbers, it is text.
    if (least === '' && (this.#pcre || most === undefined || most === '')) return undefined
    const min = Number(least)
    let max = min
    if (comma !== undefined) max = most === '' ? Infinity : Number(most)
    if (max < min)
      throw new PatternError(`it has "${all}", where the maximum is below the minimum`)
    if (min > MAX_REPEAT || (max !== Infinity && max > MAX_REPEAT)) {
      throw new PatternError(`it has "${all}", and ${MAX_REPEAT} is the limit`)
    }
    this.#at += all.length
    return { min, max }
  }

  #escape(): Node | undefined {
    const char = this.#chars[this.#at++]
    if (char === undefined) throw new PatternError('it ends with a backslash')
    if (/[1-9]/.test(char)) {
      throw new PatternError(`it has the back reference "\\${char}", ${UNSAFE}`)
    }
    if (char === 'b') return { type: 'assert', what: 'word-edge' }
    if (char === 'B') return { type: 'assert', what: 'no-word-edge' }
    if (this.#pcre) {
      if (char === 'A') return { type: 'assert', what: 'start' }
      if (char === 'z') return { type: 'assert', what: 'end' }
      if (char === 'Z') return { type: 'assert', what: 'last-line-end' }
      if (char === 'Q') {
        const nodes: Node[] = []
        while (this.#at < this.#chars.length && !this.#take('\\E')) {
          nodes.push(this.#literal(this.#chars[this.#at++]!))
        }
        return { type: 'sequence', nodes }
      }
    } else if (/[`'<>]/.test(char)) {
      // GNU.
      return {
        type: 'assert',
        what: char === '`' ? 'start' : char === "'" ? 'end' : 'word-edge',
      }
    }
    const set = this.#escapedSet(char)
    return this.#set(set ?? single(this.#escapedCode(char)))
  }

  #escapedSet(char: string): CharSet | undefined {
    return this.#pcre || /[wWsS]/.test(char) ? ESCAPED_SETS.get(char) : undefined
  }

  /** The character after a backslash. */
  #escapedCode(char: string): number {
    if (this.#pcre) {
      if (CONTROL[char] !== undefined) return CONTROL[char].charCodeAt(0)
      const rest = this.#chars.slice(this.#at, this.#at + 8).join('')
      const hex = char === 'x' ? /^(?:\{([\da-f]{1,6})\}|([\da-f]{1,2}))/i.exec(rest) : null
      if (hex !== null) {
        this.#at += hex[0].length
        return Number.parseInt(hex[1] ?? hex[2]!, 16)
      }
      if (char === '0') {
        const octal = /^[0-7]{0,2}/.exec(rest)![0]
        this.#at += octal.length
        return Number.parseInt(`0${octal}`, 8)
      }
      if (/[A-Za-z]/.test(char)) {
        throw new PatternError(`it has "\\${char}", which this package does not know`)
      }
    }
    return char.codePointAt(0)!
  }

  #brackets(): CharSet {
    const negated = this.#take('^')
    const sets: CharSet[] = []
    for (let first = true; first || !this.#peek(']'); first = false) {
      if (this.#at >= this.#chars.length) throw new PatternError('it has a "[" without a "]"')
      const start = this.#member()
      if (typeof start !== 'number') sets.push(start)
      else if (this.#peek('-') && this.#chars[this.#at + 1] !== ']') {
        this.#at++
        const end = this.#member()
        if (typeof end !== 'number' || end < start) {
          throw new PatternError('it has a range in "[]" that ends before it begins')
        }
        sets.push(charRange(start, end))
      } else sets.push(single(start))
    }
    this.#at++
    const set = anyOf(sets)
    if (!negated) return set
    const other = not(this.#flags.ignoreCase ? folded(set) : set)
    // POSIX, REG_NEWLINE.
    return this.#flags.multiline && !this.#pcre ? both(other, not(NEWLINE)) : other
  }

  #member(): CharSet | number {
    const char = this.#chars[this.#at++]
    if (char === undefined) throw new PatternError('it has a "[" without a "]"')
    if (char === '[' && /^[:.=]/.test(this.#chars[this.#at] ?? '')) {
      const found = /^:(\^?)(\w+):\]/.exec(this.#chars.slice(this.#at, this.#at + 14).join(''))
      const named = POSIX_CLASSES.get(found?.[2] ?? '')
      if (found === null || named === undefined) {
        throw new PatternError('it has a "[:" or "[=" or "[." in "[]" that names no class')
      }
      this.#at += found[0].length
      return found[1] === '^' ? not(named) : named
    }
    if (char !== '\\' || !this.#pcre) return char.codePointAt(0)!
    const escaped = this.#chars[this.#at++]
    if (escaped === undefined) throw new PatternError('it ends with a backslash')
    if (escaped === 'b') return 8
    return this.#escapedSet(escaped) ?? this.#escapedCode(escaped)
  }
}

function withFlags(flags: PatternFlags, letters: string, value: boolean): PatternFlags {
  const result = { ...flags }
  for (const letter of letters) {
    if (letter === 'i') result.ignoreCase = value
    else if (letter === 'm') result.multiline = value
    else if (letter === 's') result.dotAll = value
    else if (letter === 'x') result.extended = value
    else result.ungreedy = value
  }
  return result
}
