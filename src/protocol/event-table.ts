/**
 * The events of the protocol: the commands that a filter answers. All facts about an event are in its row here, and
 * nowhere else in the code; docs/protocol.md has the same table.
 *
 * Sources: libmilter's `mfdef.h` (letters, bits) and `engine.c` (the order). The version of an event is the first
 * for which Postfix has its bits (`milter8.c`).
 */
import { Command, MacroStage, OLDEST_PROTOCOL_VERSION, Step } from './constants.ts'

/** An event by its SMTP command, or by what it carries. */
export type EventName =
  'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | 'header' | 'eoh' | 'body' | 'eom' | 'unknown'

/** The callback of an event, by libmilter's name without `xxfi_`. */
export type Callback =
  | 'connect'
  | 'helo'
  | 'envfrom'
  | 'envrcpt'
  | 'data'
  | 'header'
  | 'eoh'
  | 'body'
  | 'eom'
  | 'unknown'

/** Verdicts on an event of the SMTP session. */
export type SessionVerdictKind = 'continue' | 'accept' | 'reject' | 'tempfail'
/** Verdicts on an event of a message. */
export type MessageVerdictKind = SessionVerdictKind | 'discard'
/** Verdicts on a piece of the body. */
export type BodyVerdictKind = MessageVerdictKind | 'skip'
/** All verdicts. */
export type VerdictKind = BodyVerdictKind

export interface EventFacts {
  readonly name: EventName
  readonly callback: Callback
  readonly command: Command
  /** the step bit that says "do not send this event"; 0 for an event that always comes */
  readonly noSend: number
  /** the step bit that says "this event gets no reply"; 0 if one is always needed */
  readonly noReply: number
  /** the stage at which a filter can ask for its macros */
  readonly macros: MacroStage | undefined
  /** the version of the protocol that brought it */
  readonly since: number
  /** what a filter may answer */
  readonly verdicts: readonly VerdictKind[]
  /** its place in a message, from 1 on; 0 for an event outside messages */
  readonly order: number
  /** it may come several times in a row in one message */
  readonly repeats: boolean
}

const OLDEST = OLDEST_PROTOCOL_VERSION

const SESSION: readonly SessionVerdictKind[] = ['continue', 'accept', 'reject', 'tempfail']
const MESSAGE: readonly MessageVerdictKind[] = [...SESSION, 'discard']
const BODY: readonly BodyVerdictKind[] = [...MESSAGE, 'skip']

/** In the order in which they come; `unknown` may come at any time. */
// prettier-ignore
export const EVENTS: Readonly<Record<EventName, EventFacts>> = Object.freeze({
  //           event      callback   command          not sent        no reply      macros              since   verdicts order
  connect: row('connect', 'connect', Command.CONNECT, Step.NOCONNECT, Step.NR_CONN, MacroStage.CONNECT, OLDEST, SESSION),
  helo: row(   'helo',    'helo',    Command.HELO,    Step.NOHELO,    Step.NR_HELO, MacroStage.HELO,    OLDEST, SESSION),
  mail: row(   'mail',    'envfrom', Command.MAIL,    Step.NOMAIL,    Step.NR_MAIL, MacroStage.MAIL,    OLDEST, MESSAGE, 1),
  rcpt: row(   'rcpt',    'envrcpt', Command.RCPT,    Step.NORCPT,    Step.NR_RCPT, MacroStage.RCPT,    OLDEST, MESSAGE, 2, 'repeats'),
  data: row(   'data',    'data',    Command.DATA,    Step.NODATA,    Step.NR_DATA, MacroStage.DATA,    4,      MESSAGE, 3),
  header: row( 'header',  'header',  Command.HEADER,  Step.NOHDRS,    Step.NR_HDR,  undefined,          OLDEST, MESSAGE, 4, 'repeats'),
  eoh: row(    'eoh',     'eoh',     Command.EOH,     Step.NOEOH,     Step.NR_EOH,  MacroStage.EOH,     OLDEST, MESSAGE, 5),
  body: row(   'body',    'body',    Command.BODY,    Step.NOBODY,    Step.NR_BODY, undefined,          OLDEST, BODY,    6, 'repeats'),
  eom: row(    'eom',     'eom',     Command.EOM,     0,              0,            MacroStage.EOM,     OLDEST, MESSAGE, 7),
  unknown: row('unknown', 'unknown', Command.UNKNOWN, Step.NOUNKNOWN, Step.NR_UNKN, undefined,          3,      SESSION),
})

/** Rows are objects of one shape: the session looks into them at each command. */
function row(
  name: EventName,
  callback: Callback,
  command: Command,
  noSend: number,
  noReply: number,
  macros: MacroStage | undefined,
  since: number,
  verdicts: readonly VerdictKind[],
  order = 0,
  again?: 'repeats',
): EventFacts {
  return Object.freeze({
    name,
    callback,
    command,
    noSend,
    noReply,
    macros,
    since,
    verdicts,
    order,
    repeats: again === 'repeats',
  })
}

export const EVENT_NAMES: readonly EventName[] = Object.keys(EVENTS) as EventName[]
const ALL: readonly EventFacts[] = Object.values(EVENTS)

/** By the letter of the command. */
export const EVENT_BY_COMMAND: readonly (EventFacts | undefined)[] = Array.from(
  { length: 1 + Math.max(...ALL.map(({ command }) => command)) },
  (_, code) => ALL.find(({ command }) => command === code),
)

/** The bits that say "do not send this event". */
export const NO_SEND_STEPS: number = noSendSteps(() => true)
/** The bits that say "this event gets no reply". */
export const NO_REPLY_STEPS: number = ALL.reduce((bits, { noReply }) => bits | noReply, 0)

/** The bits that keep some events from being sent. */
export function noSendSteps(which: (event: EventFacts) => boolean): number {
  return ALL.filter(which).reduce((bits, { noSend }) => bits | noSend, 0)
}

/** Whether a server of that version has the event. What the oldest version has, every server has. */
export function existsIn({ since }: EventFacts, version: number): boolean {
  return since === OLDEST || version >= since
}
