/**
 * Regular expressions whose time is bounded: the number of steps is at most the length of the text times the length of
 * the pattern. JavaScript's RegExp tries one way after the other, and a sender could write a text for which that takes
 * hours. This is the method of Thompson and Pike: all ways are followed at the same time.
 */
import { isWordChar, tabled, type CharSet } from './char-set.ts'
import {
  parsePattern,
  PatternError,
  type Assertion,
  type Node,
  type PatternFlags,
  type Syntax,
} from './syntax.ts'

export { PatternError, type PatternFlags, type Syntax }

type Step =
  | { readonly op: 'set'; readonly set: CharSet }
  | { readonly op: 'assert'; readonly what: Assertion }
  /** goes on at both, first at `first` */
  | { first: number; second: number; readonly op: 'split' }
  | { to: number; readonly op: 'jump' }
  | { readonly op: 'save'; readonly slot: number }
  | { readonly op: 'match' }

/** What is left of the work that a look-up may take: steps, over all patterns of a table. */
export interface Work {
  left: number
}

/** The patterns of a table take more work for a text than they may. */
export class TooMuchWork extends Error {}

/** Steps of a pattern, after `a{3}` has become `aaa`. */
const MAX_STEPS = 10_000
const MAX_LENGTH = 16_384

/** A place in the pattern that a way has come to, and where its groups begin and end. */
interface Way {
  readonly at: number
  readonly saved: readonly number[]
}

const NOTHING: readonly number[] = []

export class Pattern {
  readonly #steps: readonly Step[]
  readonly #groups: number
  /** whether it can only match at the start */
  readonly #anchored: boolean
  /** in lower case, ASCII; each text that matches has it */
  readonly #literal: string

  /**
   * @param anchored whether it has to match at the start
   * @throws PatternError
   */
  constructor(source: string, flags: PatternFlags, syntax: Syntax, anchored = false) {
    if (source.length > MAX_LENGTH) {
      throw new PatternError(`it has more than ${MAX_LENGTH} characters`)
    }
    const { node, groups } = parsePattern(source, flags, syntax)
    const steps: Step[] = []
    compile(node, steps)
    steps.push({ op: 'match' })
    this.#steps = steps
    this.#groups = groups
    this.#literal = longestLiteral(node)
    const [first] = steps
    this.#anchored = anchored || (first?.op === 'assert' && first.what === 'start')
  }

  /** groups that a match has */
  get groups(): number {
    return this.#groups
  }

  /**
   * The groups of the first match, from `$1` on: the empty string for one that has matched nothing. Undefined without
   * a match.
   *
   * @throws TooMuchWork
   */
  match(text: string, work: Work = { left: Infinity }): string[] | undefined {
    // Most patterns of a table do not match, and most of these lack a word of it.
    if (IS_ASCII.test(text) && !text.toLowerCase().includes(this.#literal)) return undefined
    const chars = Array.from(text)
    const codes = chars.map((char) => char.codePointAt(0)!)
    const saved = this.#run(codes, work)
    if (saved === undefined) return undefined
    return Array.from({ length: this.#groups }, (_, i) => {
      const [start, end] = [saved[2 * i], saved[2 * i + 1]]
      return start === undefined || end === undefined ? '' : chars.slice(start, end).join('')
    })
  }

  #run(codes: readonly number[], work: Work): readonly number[] | undefined {
    let ways: Way[] = []
    let found: readonly number[] | undefined
    // For each step, the character at which a way came to it last: another way there would do the same.
    const seen = new Int32Array(this.#steps.length).fill(-1)
    for (let i = 0; i <= codes.length; i++) {
      if (found === undefined && (i === 0 || !this.#anchored)) {
        work.left -= this.#follow(ways, 0, NOTHING, codes, i, seen)
      }
      if (ways.length === 0 && (found !== undefined || this.#anchored)) break
      if (work.left < 0) throw new TooMuchWork()
      const next: Way[] = []
      for (const { at, saved } of ways) {
        const step = this.#steps[at]!
        if (step.op === 'match') {
          // The ways after it have less priority.
          found = saved
          break
        }
        if (i < codes.length && step.op === 'set' && step.set(codes[i]!)) {
          work.left -= this.#follow(next, at + 1, saved, codes, i + 1, seen)
        }
      }
      ways = next
    }
    return found
  }

  /** Goes on until a character is needed. @returns how many steps that took */
  #follow(
    ways: Way[],
    from: number,
    groups: readonly number[],
    codes: readonly number[],
    i: number,
    seen: Int32Array,
  ): number {
    let count = 0
    const open: Way[] = [{ at: from, saved: groups }]
    for (let way = open.pop(); way !== undefined; way = open.pop()) {
      const { at, saved } = way
      count++
      if (seen[at] === i) continue
      seen[at] = i
      const step = this.#steps[at]!
      if (step.op === 'jump') open.push({ at: step.to, saved })
      else if (step.op === 'split') {
        open.push({ at: step.second, saved }, { at: step.first, saved })
      } else if (step.op === 'save') {
        const copy = [...saved]
        count += copy.length >> 4
        copy[step.slot] = i
        open.push({ at: at + 1, saved: copy })
      } else if (step.op !== 'assert') ways.push(way)
      else if (holds(step.what, codes, i)) open.push({ at: at + 1, saved })
    }
    return count
  }
}

// Other letters can have more than one lower case.
// oxlint-disable-next-line eslint/no-control-regex -- all of ASCII
const IS_ASCII = /^[\0-\x7f]*$/

/** The longest text that is in every match: characters in a row that are neither repeated nor one of several choices. */
function longestLiteral(node: Node): string {
  if (node.type === 'group') return longestLiteral(node.node)
  const nodes = node.type === 'sequence' ? node.nodes : [node]
  let longest = ''
  let run = ''
  for (const one of nodes) {
    const isLiteral = one.type === 'set' && one.char !== undefined && IS_ASCII.test(one.char)
    run = isLiteral ? run + one.char.toLowerCase() : ''
    const found = one.type === 'group' || one.type === 'sequence' ? longestLiteral(one) : run
    if (found.length > longest.length) longest = found
  }
  return longest
}

function compile(node: Node, steps: Step[]): void {
  if (steps.length > MAX_STEPS) {
    throw new PatternError(`it is too long: it has more than ${MAX_STEPS} steps`)
  }
  switch (node.type) {
    case 'set':
      steps.push({ op: 'set', set: tabled(node.set) })
      break
    case 'assert':
      steps.push({ op: 'assert', what: node.what })
      break
    case 'sequence':
      for (const one of node.nodes) compile(one, steps)
      break
    case 'group':
      steps.push({ op: 'save', slot: 2 * node.index - 2 })
      compile(node.node, steps)
      steps.push({ op: 'save', slot: 2 * node.index - 1 })
      break
    case 'choice':
      compileChoice(node.nodes, steps)
      break
    case 'repeat':
      compileRepeat(node, steps)
  }
}

function compileChoice(nodes: readonly Node[], steps: Step[]): void {
  const jumps: { to: number; readonly op: 'jump' }[] = []
  for (const [i, one] of nodes.entries()) {
    if (i === nodes.length - 1) {
      compile(one, steps)
      break
    }
    const split = { op: 'split' as const, first: steps.length + 1, second: 0 }
    steps.push(split)
    compile(one, steps)
    const jump = { op: 'jump' as const, to: 0 }
    steps.push(jump)
    jumps.push(jump)
    split.second = steps.length
  }
  for (const jump of jumps) jump.to = steps.length
}

function compileRepeat(
  { node, min, max, greedy }: Extract<Node, { type: 'repeat' }>,
  steps: Step[],
): void {
  for (let i = 0, before = -1; i < min && before !== steps.length; i++) {
    // What has no steps is the same once: (?:){1000}{1000}{1000}.
    before = steps.length
    compile(node, steps)
  }
  const splits: { first: number; second: number; readonly op: 'split' }[] = []
  const split = (): void => {
    const one = { op: 'split' as const, first: 0, second: 0 }
    splits.push(one)
    steps.push(one)
  }
  const inner: number[] = []
  if (max === Infinity) {
    const start = steps.length
    split()
    inner.push(steps.length)
    compile(node, steps)
    steps.push({ op: 'jump', to: start })
  } else {
    for (let i = min; i < max; i++) {
      split()
      inner.push(steps.length)
      compile(node, steps)
    }
  }
  for (const [i, one] of splits.entries()) {
    one.first = greedy ? inner[i]! : steps.length
    one.second = greedy ? steps.length : inner[i]!
  }
}

function holds(what: Assertion, codes: readonly number[], i: number): boolean {
  switch (what) {
    case 'start':
      return i === 0
    case 'end':
      return i === codes.length
    case 'line-start':
      return i === 0 || codes[i - 1] === 10
    case 'line-end':
      return i === codes.length || codes[i] === 10
    case 'last-line-end':
      return i === codes.length || (i === codes.length - 1 && codes[i] === 10)
    case 'word-edge':
      return isWordChar(codes[i - 1]) !== isWordChar(codes[i])
    case 'no-word-edge':
      return isWordChar(codes[i - 1]) === isWordChar(codes[i])
  }
}
