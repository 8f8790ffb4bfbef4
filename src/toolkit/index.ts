import '../node-version.ts'

export { uniqueId } from './unique-id.ts'

// Senders that are rewritten
export { readSrsSecrets, Srs } from './rewriting/srs.ts'
export type {
  SrsForwarded,
  SrsForwardReason,
  SrsOptions,
  SrsReversed,
  SrsReverseReason,
} from './rewriting/srs.ts'
export { StoredSrs, type StoredSrsOptions } from './rewriting/stored-srs.ts'
export { unsignSes, type SesOptions, type SesUnsigned } from './rewriting/ses.ts'
