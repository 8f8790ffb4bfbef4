import type { MessageLimits } from '../options/types.ts'
import type { MemoryBudget } from '../session/memory-budget.ts'
import { BodyStore } from './body-store.ts'
import type { ComposedFilter } from './definition.ts'
import { NOBODY, type EnvelopeAddress } from '../milter/envelope/envelope-address.ts'
import { UNREAD_HEADER, type FieldRecord } from './field-record.ts'
import type { MailState } from './plan/plan.ts'
import type { FilterFacts } from './stage-context.ts'
import type { EarlyMessage } from './live-stage-context.ts'

/** Roughly the bytes that a message takes before any part of it has come. */
const OBJECTS = 1_024

/** A message from MAIL to its end: the parts that have come, the filters' edits, and the filter that is next. */
export class OpenMessage implements EarlyMessage {
  sender: EnvelopeAddress = NOBODY
  readonly recipients: EnvelopeAddress[] = []
  readonly fields: FieldRecord[] = []
  headerBytes = 0
  readonly body: BodyStore
  /** the filter that is next with the content */
  next = 0
  /** there was no memory for it: nothing of it is kept, and no filter sees it */
  refused = false
  /** that was logged and counted */
  refusalTold = false
  /** a piece of the body is on its way to the file */
  adding = false
  readonly #limits: MessageLimits
  readonly #readsHeaders: boolean
  readonly #memory: MemoryBudget
  /** bytes that are counted in the budget, but for bodies */
  #held = 0
  readonly #stores: BodyStore[] = []
  readonly #accepted = new Set<ComposedFilter>()
  readonly #states = new Map<FilterFacts, unknown>()
  #headersSeen = false
  #failure: unknown
  #given: MailState | undefined
  #state: MailState | undefined
  #over = false

  constructor(limits: MessageLimits, memory: MemoryBudget, readsHeaders: boolean) {
    this.#limits = limits
    this.#readsHeaders = readsHeaders
    this.#memory = memory
    this.body = this.newStore()
    this.hold(OBJECTS)
  }

  /** Counts bytes of the message. If there is no room for them, the message is refused. */
  hold(bytes: number): void {
    if (this.refused || this.#over) return
    if (this.#memory.reserve(bytes)) this.#held += bytes
    else this.#refuse()
  }

  /** Frees at once the parts that have come so far. */
  #refuse(): void {
    this.refused = true
    this.sender = NOBODY
    this.recipients.length = 0
    this.fields.length = 0
    this.#letGo()
  }

  #letGo(): void {
    for (const store of this.#stores) void store.dispose()
    this.#memory.release(this.#held)
    this.#held = 0
  }

  /** As it came. */
  get given(): MailState {
    this.#given ??= {
      sender: this.sender,
      recipients: this.recipients,
      fields: this.#readsHeaders ? this.fields : UNREAD_HEADER,
      body: this.body,
      quarantine: undefined,
    }
    return this.#given
  }

  /** As the filters have left it so far. */
  get state(): MailState {
    return this.#state ?? this.given
  }

  set state(state: MailState) {
    this.#state = state
  }

  get edited(): boolean {
    return this.state !== this.given
  }

  /** Why it could not be collected. Each filter fails with this error when it is next. */
  get failure(): unknown {
    return this.#failure
  }

  fail(error: unknown): void {
    this.#failure ??= error
  }

  /** @param limits of the filter that makes it */
  newStore(limits: MessageLimits = this.#limits): BodyStore {
    const store = new BodyStore(limits, this.#memory)
    this.#stores.push(store)
    if (this.#over) void store.dispose()
    return store
  }

  stateOf(member: FilterFacts): unknown {
    if (!this.#states.has(member)) this.#states.set(member, member.makeState?.())
    return this.#states.get(member)
  }

  // ---- the next filter

  accept(member: ComposedFilter): void {
    this.#accepted.add(member)
  }

  hasAccepted(member: ComposedFilter): boolean {
    return this.#accepted.has(member)
  }

  /** The stage that is next for a filter; undefined if there is none. */
  nextStage(member: ComposedFilter): 'headers' | 'message' | undefined {
    if (this.#accepted.has(member)) return undefined
    const { headers, message } = member.definition
    if (headers !== undefined && !this.#headersSeen) return 'headers'
    return message === undefined ? undefined : 'message'
  }

  /** The filter is called at `nextStage`; after that the following stage is next. */
  step(member: ComposedFilter): void {
    const more = this.nextStage(member) === 'headers' && member.definition.message !== undefined
    this.#headersSeen = more
    if (!more) this.next++
  }

  /** No filter has anything more to do. */
  isDone(members: readonly ComposedFilter[]): boolean {
    return members.slice(this.next).every((member) => this.nextStage(member) === undefined)
  }

  /** Lets go of everything. */
  end(): void {
    this.#over = true
    this.#letGo()
  }
}
