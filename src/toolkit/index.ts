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

// Limits and greylisting
export { Greylist, POSTGREY_TIMING } from './limits/greylist.ts'
export type {
  Greylisted,
  GreylistOptions,
  GreylistTiming,
  ImportResult,
  Triple,
} from './limits/greylist.ts'
export { RateLimiter } from './limits/rate-limiter.ts'
export type {
  Limit,
  Limited,
  LimitOptions,
  RateLimiterOptions,
  Subjects,
} from './limits/rate-limiter.ts'
