export { parseMime, MimeMessage, type MimeOptions } from './message.ts'
export { MimePart } from './part.ts'
export type { PartHeaders } from './part-headers.ts'
export type { NewPart } from './new-part.ts'
export type { Protection } from './protection.ts'
export type { TransferEncoding } from './transfer-encoding.ts'
export {
  MIME_PROBLEMS,
  type MimeLimits,
  type MimeProblem,
  type MimeProblemCode,
} from './problems.ts'
