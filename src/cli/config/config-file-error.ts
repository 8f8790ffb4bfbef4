import { UsageError } from '../../errors.ts'
import { linesOf, type FileMistake } from './place.ts'

/** A text file has mistakes: `message` has a line for each. */
export class ConfigFileError extends UsageError {
  readonly mistakes: readonly FileMistake[]

  constructor(mistakes: readonly FileMistake[]) {
    super('INVALID_OPTION', linesOf(mistakes).join('\n'))
    this.mistakes = mistakes
  }
}
