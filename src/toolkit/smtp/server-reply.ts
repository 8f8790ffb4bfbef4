/** What an SMTP server answers to a command (RFC 5321, section 4.2). */

/** A reply of a server. */
export interface ServerReply {
  /** 200 to 599 */
  readonly code: number
  /** the enhanced status code (RFC 3463), such as `5.1.1`, if the text begins with one of the class of the code */
  readonly enhanced: string | undefined
  /** the text of all lines, without enhanced status codes, joined by spaces. It has no control characters. */
  readonly text: string
  /** the text of each line as it came, but without control characters */
  readonly lines: readonly string[]
}
