/** Options that all ready-made filters have. */
import { choice } from '../options/kinds.ts'
import type { Field } from '../options/shape.ts'
import { line, yesNo } from '../options/value-kinds.ts'

export interface CommonSettings {
  readonly name: string
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
}

/** @param name the name of the filter if the options have none */
export const commonFields = (name: string): Record<keyof CommonSettings, Field> => ({
  observe: {
    kind: yesNo,
    default: false,
    text: 'look at all mail, change nothing, and log what would have been done',
  },
  onError: {
    kind: choice(['tempfail', 'reject', 'continue', 'accept']),
    text: 'the verdict if the filter itself fails; that of the server by default',
  },
  name: {
    kind: line,
    default: name,
    text: 'the name of the filter in log lines and metrics',
  },
})
