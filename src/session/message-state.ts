import { Command } from '../protocol/constants.ts'
import { EVENT_BY_COMMAND, EVENTS } from '../protocol/event-table.ts'

/**
 * The life of a message as a state machine: {@link next} returns the next state, and knows nothing of bytes, handlers
 * and verdicts.
 *
 *                        MAIL, BEGIN
 *      ┌──────┐  ───────────────────────────────▶  ┌──────┐ ───┐ commands in their order;
 *      │ none │                                    │ open │    │ SKIP
 *      └──────┘  ◀───────────────────────────────  └──────┘ ◀──┘
 *       ▲    ▲                 OVER                 │    │
 *       │    │                            LAST_WORD │    │ CUT_OFF
 *       │    │                                      ▼    │
 *       │    │           OVER              ┌─────────┐   │
 *       │    └──────────────────────────── │ settled │   │    in both: commands in their order;
 *       │                                  └─────────┘   │    KEEP_ACCEPT
 *       │                OVER              ┌─────────┐   │
 *       └───────────────────────────────── │   cut   │ ◀─┘
 *                                          └─────────┘
 *
 * - **none**: between messages. A command of a message other than MAIL is out of order.
 * - **open**: the filter is asked.
 * - **settled**: the filter has said its last word. If the mail server goes on with the message, that word is repeated,
 *   and no handler is called.
 * - **cut**: a handler was cut off. The mail server gets the same answers, and the filter gets `abort` at the end.
 *
 * The state also has the verdicts for messages to come. If a handler of the session fails and its event gets no reply
 * (SETTLE_NEXT, SETTLE_ALL), the next message, or each message of the session, is settled when it begins.
 */
export interface MessageState {
  /** the state as a number: the index in the list of all states */
  readonly code: number
  readonly phase: MessagePhase
  /** the order of the latest event (`EventFacts.order`); 0 before the first */
  readonly order: number
  /** the filter wants no more of the body */
  readonly skipping: boolean
  /** "accept" was the last word; the mail server gets it at end of message */
  readonly kept: boolean
  /** the messages that are settled when they begin */
  readonly settles: 'nothing' | 'next' | 'all'
}

export type MessagePhase = 'none' | 'open' | 'settled' | 'cut'

/** Inputs of the state machine other than commands. No command has such a number. */
export const Turn = {
  /** it begins; MAIL may follow, or was declined */
  BEGIN: 1,
  /** the filter wants no more of the body */
  SKIP: 2,
  /** the filter has said its last word */
  LAST_WORD: 3,
  /** that was "accept", and the mail server gets it only at end of message */
  KEEP_ACCEPT: 4,
  /** a handler was cut off */
  CUT_OFF: 5,
  /** its end was answered, or it was given up: ABORT, MAIL, HELO, CONNECT, QUIT, a command out of order */
  OVER: 6,
  /** the handler of HELO or UNKNOWN has failed, and its event gets no reply */
  SETTLE_NEXT: 7,
  /** the same at CONNECT */
  SETTLE_ALL: 8,
  /** the SMTP session is over */
  FORGET: 9,
} as const
export type Turn = (typeof Turn)[keyof typeof Turn]

// A state in one number. The states are made once, so that a command makes no object.
const SETTLES = 0b11
const SETTLES_NEXT = 1
const SETTLES_ALL = 2
const KEPT = 1 << 2
const SKIPPING = 1 << 3
const PHASE_AT = 4
const PHASE = 0b11 << PHASE_AT
const OPEN = 1 << PHASE_AT
const SETTLED = 2 << PHASE_AT
const CUT = 3 << PHASE_AT
/** Above the rest, because the table of events says how many there are. */
const ORDER_AT = 6
const ORDER = -1 << ORDER_AT
const ORDERS = 1 + Math.max(...Object.values(EVENTS).map(({ order }) => order))

const PHASES = ['none', 'open', 'settled', 'cut'] as const
const SETTLED_AHEAD = ['nothing', 'next', 'all'] as const

const STATES: readonly MessageState[] = Array.from({ length: ORDERS << ORDER_AT }, (_, code) =>
  Object.freeze({
    code,
    phase: PHASES[(code & PHASE) >> PHASE_AT]!,
    order: code >> ORDER_AT,
    skipping: (code & SKIPPING) !== 0,
    kept: (code & KEPT) !== 0,
    settles: SETTLED_AHEAD[code & SETTLES]!,
  }),
)

export const NO_MESSAGE: MessageState = STATES[0]!

/**
 * The state after a command of a message (its letter) or a {@link Turn}; undefined for a command that is out of
 * order. If the state after a command is open, the filter is asked. Otherwise its last word is repeated.
 */
export function next(state: MessageState, input: number): MessageState | undefined {
  return state.phase === 'none' ? betweenMessages(state, input) : inMessage(state, input)
}

function betweenMessages(state: MessageState, input: number): MessageState | undefined {
  switch (input) {
    case Turn.BEGIN:
      return begun(state)
    case Command.MAIL:
      return inOrder(begun(state).code, input)
    case Turn.SETTLE_NEXT:
      return state.settles === 'nothing' ? STATES[SETTLES_NEXT] : state
    case Turn.SETTLE_ALL:
      return STATES[SETTLES_ALL]
    case Turn.FORGET:
      return NO_MESSAGE
    default:
      return EVENT_BY_COMMAND[input] === undefined ? state : undefined
  }
}

function inMessage(state: MessageState, input: number): MessageState | undefined {
  const { code } = state
  switch (input) {
    case Turn.BEGIN:
      return begun(state)
    case Turn.SKIP:
      return STATES[code | SKIPPING]
    case Turn.LAST_WORD:
      return STATES[(code & ~PHASE) | SETTLED]
    case Turn.KEEP_ACCEPT:
      return STATES[code | KEPT]
    case Turn.CUT_OFF:
      return STATES[(code & ~PHASE) | CUT]
    case Turn.OVER:
      return STATES[code & SETTLES]
    case Turn.SETTLE_NEXT:
      return settledIfOpen(code)
    case Turn.SETTLE_ALL:
      return settledIfOpen((code & ~SETTLES) | SETTLES_ALL)
    case Turn.FORGET:
      return STATES[code & ~SETTLES]
    default:
      return inOrder(code, input)
  }
}

/** The state in which a message begins. Its `settles: 'next'` is used up with it. */
function begun({ code, settles }: MessageState): MessageState {
  return STATES[(settles === 'nothing' ? OPEN : SETTLED) | (code & SETTLES_ALL)]!
}

const settledIfOpen = (code: number): MessageState =>
  STATES[(code & PHASE) === OPEN ? (code & ~PHASE) | SETTLED : code]!

/** Commands come in their order; some may be left out, and some may repeat. */
function inOrder(code: number, command: number): MessageState | undefined {
  const { order, repeats } = EVENT_BY_COMMAND[command]!
  const before = code >> ORDER_AT
  if (order < before || (order === before && !repeats)) return undefined
  return STATES[(code & ~ORDER) | (order << ORDER_AT)]
}
