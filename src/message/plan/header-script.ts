import type { FieldRecord } from '../field-record.ts'

/**
 * How one header becomes another: the shortest list of steps. A step concerns one field of the header
 * before (`keep`, `change`, `delete`) or one of the header after (`insert`), in the order in which
 * they stand.
 */
export type ScriptStep =
  | { readonly type: 'keep' }
  | { readonly type: 'change'; readonly to: FieldRecord }
  | { readonly type: 'delete' }
  | { readonly type: 'insert'; readonly field: FieldRecord }

export interface ScriptRules {
  /** whether a field can be changed into another in one step */
  changes(from: FieldRecord, to: FieldRecord): boolean
  /** new fields can only come above or below all that stay */
  readonly endsOnly: boolean
}

/** The maximum number of table cells to fill. Above it, fields are paired by their origin. */
const BUDGET = 100_000

export function headerScript(
  before: readonly FieldRecord[],
  after: readonly FieldRecord[],
  rules: ScriptRules,
): ScriptStep[] {
  if (rules.endsOnly) return shortest(before, after, rules)
  let head = 0
  const common = Math.min(before.length, after.length)
  while (head < common && before[head]!.equals(after[head]!)) head++
  let tail = 0
  while (
    tail < common - head &&
    before[before.length - 1 - tail]!.equals(after[after.length - 1 - tail]!)
  ) {
    tail++
  }
  const steps: ScriptStep[] = []
  for (let i = 0; i < head; i++) steps.push(KEEP)
  for (const step of shortest(
    before.slice(head, before.length - tail),
    after.slice(head, after.length - tail),
    rules,
  )) {
    steps.push(step)
  }
  for (let i = 0; i < tail; i++) steps.push(KEEP)
  return steps
}

const KEEP: ScriptStep = { type: 'keep' }
const DELETE: ScriptStep = { type: 'delete' }

function shortest(
  before: readonly FieldRecord[],
  after: readonly FieldRecord[],
  rules: ScriptRules,
): ScriptStep[] {
  if (before.length === 0) return after.map((field) => ({ type: 'insert', field }))
  if (after.length === 0) return before.map(() => DELETE)
  const traced = byOrigin(before, after, rules)
  // No shortest script strays further from the diagonal than it has insertions and deletions.
  const band = cost(traced)
  const width = Math.min(2 * band, before.length + after.length) + 1
  if (band === 0 || before.length * width > BUDGET) return traced
  return new Table(before, after, rules, band).steps()
}

function cost(steps: readonly ScriptStep[]): number {
  let total = 0
  for (const { type } of steps) if (type !== 'keep') total++
  return total
}

/**
 * A script in time proportional to the number of fields: each field of the new header is paired with the one it was
 * made from. It is the shortest if no field was moved.
 */
function byOrigin(
  before: readonly FieldRecord[],
  after: readonly FieldRecord[],
  rules: ScriptRules,
): ScriptStep[] {
  const places = new Map(before.map((field, i) => [field, i]))
  const steps: ScriptStep[] = []
  let next = 0
  const inserted: FieldRecord[] = []
  const flush = (): void => {
    for (const field of inserted.splice(0)) steps.push({ type: 'insert', field })
  }
  const pairs = after.map((field) => {
    const place = places.get(field.origin ?? field)
    if (place === undefined) return -1
    const from = before[place]!
    return from.equals(field) || rules.changes(from, field) ? place : -1
  })
  const keepsGoing = rules.endsOnly ? unbroken(pairs) : undefined
  for (const [j, field] of after.entries()) {
    const place = pairs[j]!
    const usable =
      place >= next && (keepsGoing === undefined || (j >= keepsGoing[0] && j < keepsGoing[1]))
    if (!usable) {
      inserted.push(field)
      continue
    }
    flush()
    while (next < place) {
      steps.push(DELETE)
      next++
    }
    steps.push(before[place]!.equals(field) ? KEEP : { type: 'change', to: field })
    next++
  }
  flush()
  while (next < before.length) {
    steps.push(DELETE)
    next++
  }
  return steps
}

/** The longest stretch of fields after that all stem from fields before, in order. */
function unbroken(pairs: readonly number[]): readonly [from: number, to: number] {
  let best: readonly [number, number] = [0, 0]
  let start = 0
  for (let j = 0; j <= pairs.length; j++) {
    const place = pairs[j] ?? -1
    const follows = place !== -1 && (j === start || place > pairs[j - 1]!)
    if (follows) continue
    if (j - start > best[1] - best[0]) best = [start, j]
    start = place === -1 ? j + 1 : j
  }
  return best
}

/**
 * The edit distance of two headers, as far from the diagonal as a shortest script can go. With
 * `endsOnly` there are three layers: above what stays, within it, below it.
 */
class Table {
  readonly #before: readonly FieldRecord[]
  readonly #after: readonly FieldRecord[]
  readonly #rules: ScriptRules
  readonly #band: number
  readonly #width: number
  readonly #layers: number
  readonly #costs: Uint32Array
  readonly #from: Uint8Array

  constructor(
    before: readonly FieldRecord[],
    after: readonly FieldRecord[],
    rules: ScriptRules,
    band: number,
  ) {
    this.#before = before
    this.#after = after
    this.#rules = rules
    this.#layers = rules.endsOnly ? 3 : 1
    // Both ends of the table must be inside.
    this.#band = Math.max(band, Math.abs(before.length - after.length))
    this.#width = Math.min(2 * this.#band, before.length + after.length) + 1
    const cells = (before.length + 1) * this.#width * this.#layers
    this.#costs = new Uint32Array(cells).fill(FAR)
    this.#from = new Uint8Array(cells)
    this.#fill()
  }

  /** The first column of a row that is in the table. */
  #first(i: number): number {
    return Math.max(0, i - this.#band)
  }

  #cell(i: number, j: number, layer: number): number {
    const column = j - this.#first(i)
    if (i < 0 || j < 0 || column < 0 || column >= this.#width) return -1
    return (i * this.#width + column) * this.#layers + layer
  }

  #offer(cell: number, from: number, price: number, move: number): void {
    if (from === -1 || cell === -1) return
    const total = this.#costs[from]! + price
    if (total >= this.#costs[cell]!) return
    this.#costs[cell] = total
    this.#from[cell] = move
  }

  #fill(): void {
    const rows = this.#before.length
    const columns = this.#after.length
    this.#costs[this.#cell(0, 0, 0)] = 0
    for (let i = 0; i <= rows; i++) {
      const last = Math.min(columns, i + this.#band, this.#first(i) + this.#width - 1)
      for (let j = this.#first(i); j <= last; j++) {
        for (let layer = 0; layer < this.#layers; layer++) this.#reach(i, j, layer)
      }
    }
  }

  /** The cheapest way to a cell. Ways that keep fields are offered first. */
  #reach(i: number, j: number, layer: number): void {
    const cell = this.#cell(i, j, layer)
    if (i > 0 && j > 0) {
      const price = this.#pairing(i - 1, j - 1)
      if (price < FAR && layer < 2) {
        const lowest = this.#layers === 3 && layer === 1 ? 0 : layer
        // In three layers a pairing leads to the middle one, from above or from within.
        if (this.#layers === 1 || layer === 1) {
          for (let source = lowest; source <= layer; source++) {
            const move = price === 0 ? MOVE.keep : MOVE.change
            this.#offer(cell, this.#cell(i - 1, j - 1, source), price, move | (source << 4))
          }
        }
      }
    }
    if (i > 0) this.#offer(cell, this.#cell(i - 1, j, layer), 1, MOVE.delete | (layer << 4))
    if (j > 0 && layer !== 1) {
      const lowest = layer === 2 ? 1 : layer
      for (let source = lowest; source <= layer; source++) {
        this.#offer(cell, this.#cell(i, j - 1, source), 1, MOVE.insert | (source << 4))
      }
    }
  }

  #pairing(i: number, j: number): number {
    const from = this.#before[i]!
    const to = this.#after[j]!
    if (from.equals(to)) return 0
    return this.#rules.changes(from, to) ? 1 : FAR
  }

  steps(): ScriptStep[] {
    let i = this.#before.length
    let j = this.#after.length
    let layer = 0
    for (let other = 1; other < this.#layers; other++) {
      if (this.#costs[this.#cell(i, j, other)]! < this.#costs[this.#cell(i, j, layer)]!) {
        layer = other
      }
    }
    const steps: ScriptStep[] = []
    while (i > 0 || j > 0) {
      const from = this.#from[this.#cell(i, j, layer)]!
      layer = from >> 4
      switch (from & 0xf) {
        case MOVE.keep:
          steps.push(KEEP)
          i--
          j--
          break
        case MOVE.change:
          steps.push({ type: 'change', to: this.#after[--j]! })
          i--
          break
        case MOVE.delete:
          steps.push(DELETE)
          i--
          break
        default:
          steps.push({ type: 'insert', field: this.#after[--j]! })
      }
    }
    return steps.reverse()
  }
}

const FAR = 0x3fffffff
const MOVE = { keep: 1, change: 2, delete: 3, insert: 4 } as const
