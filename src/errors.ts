/**
 * Every code an error of this package can carry, with its meaning. `docs/errors.md` has one entry
 * for each, with what to do about it.
 */
const CODES = {
  // The other side sent something the protocol does not allow.
  FRAME_EMPTY: 'a frame of length zero',
  FRAME_TOO_LARGE: 'a frame longer than the limit',
  UNKNOWN_COMMAND: 'a command letter that does not exist',
  UNKNOWN_REPLY: 'a reply letter that does not exist',
  MALFORMED_PAYLOAD: 'a payload that does not hold what its command needs',
  VERSION_TOO_OLD: 'a protocol version below 2',
  NOT_NEGOTIATED: 'a command before the option negotiation',
  NEGOTIATED_TWICE: 'a second option negotiation on one connection',
  OUT_OF_ORDER: 'a command that cannot come at this point of the conversation',
  ACTIONS_NOT_OFFERED: 'the mail server does not offer an action the filter requires',
  // A connection that was closed before it was served.
  PEER_REFUSED: 'a connection from an address that may not connect',
  INVALID_PROXY_HEADER: 'a connection of a balancer without a PROXY header that can be read',
  TLS_FAILED: 'a TLS handshake that did not succeed',
  // A filter, seen from the mail server's side.
  CONNECT_FAILED: 'no connection to the filter',
  REPLY_TIMEOUT: 'the filter has not answered in time',
  UNEXPECTED_REPLY: 'a reply that cannot come at this point of the conversation',
  CHOICE_NOT_OFFERED: 'the filter chose what the mail server has not offered',
  EDIT_REFUSED: 'an edit the mail server fails the message for',
  // The filter asked for something that cannot be sent.
  WRONG_STAGE: 'an edit outside end of message, or after the message was over',
  NOT_READ: 'a look at what the mail server was not asked to send',
  ACTION_NOT_NEGOTIATED: 'an edit the mail server has not granted',
  INVALID_HEADER_NAME: 'a header name that would break the message',
  INVALID_HEADER_VALUE: 'a header value that would break the message',
  INVALID_INDEX: 'a header index that does not exist in the protocol',
  INVALID_ADDRESS: 'an envelope address that cannot be sent',
  INVALID_REPLY: 'an SMTP reply that mail servers would refuse',
  INVALID_TEXT: 'text that cannot be written as bytes',
  INVALID_VERDICT: 'a return value that is not a verdict of this stage',
  INVALID_HANDLER: 'a filter whose handlers or their marks contradict each other',
  FACTORY_FAILED: 'a filter that cannot be made',
  INVALID_OPTION: 'an option with a value it does not take',
  TOO_LONG: 'data that does not fit into one frame',
  TOO_MANY_EDITS: 'more edits of one message than the limit',
  MESSAGE_TOO_LARGE: 'a message with more than the limits of the filter allow',
  MEMORY_EXHAUSTED: 'a message, or a frame, for which there is no memory left',
  SPILL_FAILED: 'a large body that cannot be kept in a temporary file',
  BODY_GONE: 'a body that is read after the handler was over',
  HANDLER_OVERRAN:
    'an edit by an object that still has an overrun handler of an earlier message',
  SEALED_PART: 'an edit inside a part that was signed or encrypted',
  GUESSED_PART: 'an edit of a text that could not be read for sure',
  // Why a handler was cut off (the reason of its AbortSignal).
  DEADLINE_EXCEEDED: 'the handler did not answer before its deadline',
  MESSAGE_ABORTED: 'the mail server abandoned the message',
  DISCONNECTED: 'the other side closed the connection, or it broke',
  SHUTTING_DOWN: 'this server is stopping and does not wait any longer',
  // How the program was built and installed.
  MISSING_PACKAGE: 'a package that is not part of a plain install, and is needed',
  BAD_BUNDLE: 'a bundle in which packages of CommonJS cannot be loaded',
  // Listening.
  INVALID_LISTEN_ADDRESS: 'an address that cannot be understood',
  ADDRESS_IN_USE: 'somebody else answers on the address',
  NOT_A_SOCKET: 'the path exists and is not a socket',
  LISTEN_FAILED: 'the operating system refused to listen',
} as const

export type ErrorCode = keyof typeof CODES
export const ERROR_CODES: Readonly<Record<ErrorCode, string>> = CODES

const brandOf = (name: string): symbol => Symbol.for(`tsmilter.${name}`)

/**
 * The base of every error this package makes. `code` is stable and documented in `docs/errors.md`;
 * the message says what was wrong, where, and what to write instead. `instanceof` also holds for
 * errors of another copy of the package in the same process.
 */
export class MilterError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  static {
    brand(this, 'MilterError')
  }
}

/** The other side of the connection broke the protocol. */
export class ProtocolError extends MilterError {
  static {
    brand(this, 'ProtocolError')
  }
}

/** The filter asked for something that cannot be done; nothing of it was sent. */
export class UsageError extends MilterError {
  static {
    brand(this, 'UsageError')
  }
}

/** A handler is no longer waited for. The `reason` of a context's `signal`. */
export class InterruptedError extends MilterError {
  static {
    brand(this, 'InterruptedError')
  }
}

/** An address cannot be listened on. */
export class ListenError extends MilterError {
  static {
    brand(this, 'ListenError')
  }
}

function brand(
  constructor: { readonly prototype: object; [Symbol.hasInstance](value: unknown): boolean },
  name: string,
): void {
  const symbol = brandOf(name)
  Object.defineProperty(constructor.prototype, symbol, { value: true })
  Object.defineProperty(constructor.prototype, 'name', { value: name, configurable: true })
  Object.defineProperty(constructor, Symbol.hasInstance, {
    value: (value: unknown): boolean =>
      typeof value === 'object' && value !== null && symbol in value,
  })
}
