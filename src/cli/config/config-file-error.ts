import { UsageError } from '../../errors.ts'
import { inOrder, linesOf, type FileMistake } from './place.ts'

/** A text file cannot be used: `message` has a line for each reason. */
export class ConfigFileError extends UsageError {
  /** in the order of the files; none if the file is right, but what it names is not */
  readonly mistakes: readonly FileMistake[]

  constructor(mistakes: readonly FileMistake[], lines: readonly string[] = linesOf(mistakes)) {
    super('INVALID_OPTION', lines.join('\n'))
    this.mistakes = inOrder(mistakes)
  }
}
