/** Options that all ready-made filters have. */
import type { Field } from '../options/shape.ts'
import { line, yesNo } from '../options/value-kinds.ts'

export const observeField: Field = {
  kind: yesNo,
  default: false,
  text: 'only logs what it would do',
}

export const nameField = (name: string): Field => ({
  kind: line,
  default: name,
  text: 'the name of the filter in log lines and metrics',
})
