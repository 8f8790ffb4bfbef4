/**
 * Every code that an error of this package can have, with its meaning. `docs/errors.md` has an entry
 * for each, which says what to do.
 */
const CODES = {
  // The other side sent something that the protocol does not allow.
  FRAME_EMPTY: 'the other side sent a frame of length zero',
  FRAME_TOO_LARGE: 'the other side sent a frame longer than the limit',
  UNKNOWN_COMMAND: 'the other side sent a command letter that does not exist',
  UNKNOWN_REPLY: 'the other side sent a reply letter that does not exist',
  MALFORMED_PAYLOAD: 'the payload of a frame lacks what its command needs',
  VERSION_TOO_OLD: 'the other side speaks a protocol version below 2',
  NOT_NEGOTIATED: 'a command came before the option negotiation',
  NEGOTIATED_TWICE: 'the option negotiation came twice on one connection',
  OUT_OF_ORDER: 'a command came at a point where it is not allowed',
  ACTIONS_NOT_OFFERED: 'the mail server does not offer an action that the filter requires',
  // A connection that was closed before it was served.
  PEER_REFUSED: 'the address of the other side may not connect',
  INVALID_PROXY_HEADER: 'a connection from a load balancer has no valid PROXY header',
  TLS_FAILED: 'the TLS handshake failed',
  // A filter, seen from the mail server's side.
  CONNECT_FAILED: 'the filter cannot be connected to',
  REPLY_TIMEOUT: 'the filter did not answer in time',
  UNEXPECTED_REPLY: 'a reply came at a point where it is not allowed',
  CHOICE_NOT_OFFERED: 'the filter chose something that the mail server did not offer',
  EDIT_REFUSED: 'the mail server fails the message because of an edit',
  // The filter asked for something that cannot be sent.
  WRONG_STAGE: 'an edit was made outside end of message, or after the end of the message',
  NOT_READ: 'the filter read something that it did not ask the mail server to send',
  ACTION_NOT_NEGOTIATED: 'the mail server did not grant the edit',
  INVALID_HEADER_NAME: 'the name of a header field would break the message',
  INVALID_HEADER_VALUE: 'the value of a header field would break the message',
  INVALID_INDEX: 'the protocol has no such index of a header field',
  INVALID_ADDRESS: 'the envelope address cannot be sent',
  INVALID_REPLY: 'mail servers would refuse the SMTP reply',
  INVALID_TEXT: 'the text cannot be written as bytes',
  INVALID_VERDICT: 'a handler returned something that is not a verdict of its stage',
  INVALID_HANDLER: 'the handlers of a filter, or their marks, contradict each other',
  FACTORY_FAILED: 'the filter cannot be created',
  INVALID_OPTION: 'an option has a value that it does not take',
  TOO_LONG: 'the data does not fit into one frame',
  TOO_MANY_EDITS: 'one message has more edits than the limit',
  MESSAGE_TOO_LARGE: 'the message is above a limit of the filter',
  MEMORY_EXHAUSTED: 'there is no memory left for a message or a frame',
  SPILL_FAILED: 'a large body cannot be kept in a temporary file',
  BODY_GONE: 'a body was read after the handler had ended',
  HANDLER_OVERRAN:
    'an object made an edit while one of its handlers was still running for an earlier message',
  SEALED_PART: 'an edit would change a part that is signed or encrypted',
  GUESSED_PART: 'an edit would change a text that could not be read for sure',
  // Why a handler was cut off (the reason of its AbortSignal).
  DEADLINE_EXCEEDED: 'the handler did not answer before its deadline',
  MESSAGE_ABORTED: 'the mail server abandoned the message',
  DISCONNECTED: 'the other side closed the connection, or the connection broke',
  SHUTTING_DOWN: 'this server is stopping and does not wait any longer',
  // How the program was built and installed.
  MISSING_PACKAGE: 'a package is needed that is not part of a plain install',
  WRONG_PACKAGE_VERSION: 'a package is installed in a version that cannot be used',
  BAD_BUNDLE: 'the program is a bundle that cannot load CommonJS packages',
  // A store.
  STORE_TIMEOUT: 'the store did not answer before its deadline',
  STORE_UNAVAILABLE: 'the store cannot be reached, or has failed',
  STORE_FULL: 'the store has no room for another value',
  STORE_CLOSED: 'the store is closed',
  // Lists, tables and files of the toolkit.
  INVALID_ENTRY: 'an entry of a list or table is wrong',
  INVALID_IP_ADDRESS: 'a text is not an IP address',
  LOOKUP_FAILED: 'a table or list could not be asked, so there is no answer',
  FILE_LOCKED: 'another process holds the lock of a file',
  FILE_FAILED: 'a file cannot be read or written',
  // Listening.
  INVALID_LISTEN_ADDRESS: 'the address has no valid form',
  ADDRESS_IN_USE: 'another process answers on the address',
  NOT_A_SOCKET: 'the path exists and is not a socket',
  LISTEN_FAILED: 'the operating system refused to listen',
} as const

/** The code of an error of this package, such as `'INVALID_OPTION'`. */
export type ErrorCode = keyof typeof CODES
/**
 * Each error code with its meaning in one line.
 *
 *     ERROR_CODES.SPILL_FAILED // 'a large body cannot be kept in a temporary file'
 */
export const ERROR_CODES: Readonly<Record<ErrorCode, string>> = CODES

const brandOf = (name: string): symbol => Symbol.for(`tsmilter.${name}`)

/**
 * The base class of all errors of this package. `code` is stable, and `docs/errors.md` documents it.
 * The message says what was wrong, where, and what to do. `instanceof` is also true for errors of
 * another copy of the package in the same process.
 *
 *     try {
 *       ctx.addHeader('X-Names', names)
 *     } catch (error) {
 *       if (!(error instanceof MilterError && error.code === 'TOO_LONG')) throw error
 *     }
 */
export class MilterError extends Error {
  /** what was wrong, for programs */
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

/** The filter asked for something that cannot be done. Nothing of it was sent. */
export class UsageError extends MilterError {
  static {
    brand(this, 'UsageError')
  }
}

/** The server no longer waits for a handler. This is the `reason` of a context's `signal`. */
export class InterruptedError extends MilterError {
  static {
    brand(this, 'InterruptedError')
  }
}

/** A store could not make a step. A step that timed out may still be made later. */
export class StoreError extends MilterError {
  static {
    brand(this, 'StoreError')
  }
}

/** A table, or a list with host names, could not be asked. This is not the answer "not there". */
export class TableError extends MilterError {
  static {
    brand(this, 'TableError')
  }
}

/** A file of a filter could not be locked, read or written. `cause` has the error of the system. */
export class FileError extends MilterError {
  static {
    brand(this, 'FileError')
  }
}

/** The server cannot listen on an address. */
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
