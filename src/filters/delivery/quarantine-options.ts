/** The options of `quarantine`. */
import { bytes, choice, directory } from '../../options/kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { code, duration, line } from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import type { QuarantineOptions, QuarantineSettings } from '../types.ts'

const DAY = 86_400_000

export const QUARANTINE: Shape<QuarantineOptions, QuarantineSettings> = {
  name: 'quarantine',
  type: 'Quarantine',
  text: 'keeps messages that other filters want held, until you release or delete them',
  fields: {
    directory: {
      kind: directory,
      required: true,
      text: 'the directory for the messages; it has to be there',
    },
    take: {
      kind: choice(['held', 'all']),
      default: 'held',
      text: 'what is kept: what filters before this one want held, or all mail that comes here',
      more: 'Use `all` with a condition (`when`).',
    },
    answer: {
      kind: choice(['accept', 'refuse']),
      default: 'accept',
      text: 'what the client is told about a message that is kept',
      more: '`accept`: the message was accepted, and nobody gets it. `refuse`: 550, so that the sender knows.',
    },
    reply: {
      kind: line,
      default: 'The message is held for a review',
      text: 'the text of that 550',
    },
    maxBytes: {
      kind: bytes({ from: 1_000_000 }),
      default: 1_073_741_824,
      text: 'disk space for all messages together; 4096 bytes are added for each',
    },
    maxAge: {
      kind: duration({ from: 3_600_000 }),
      default: 30 * DAY,
      text: 'after this time a message is deleted',
    },
    whenFull: {
      kind: choice(['tempfail', 'hold', 'oldest']),
      default: 'tempfail',
      text: 'if maxBytes is reached: defer, let the mail server hold it, or delete the oldest',
    },
    onFailure: {
      kind: choice(['tempfail', 'hold']),
      default: 'tempfail',
      text: 'if a message cannot be kept: defer, or let the mail server hold it',
    },
    deadline: {
      kind: duration({ from: 100, to: 240_000 }),
      default: 60_000,
      text: 'time in which a message has to be on the disk',
    },
    ...commonFields('quarantine'),
    clock: { kind: code('() => number'), text: 'Unix time in milliseconds, for tests' },
  },
  check({ directory: root }, report) {
    if (!root.startsWith('/')) {
      report({ path: ['directory'], text: 'takes an absolute path', got: { value: root } })
    }
  },
}
