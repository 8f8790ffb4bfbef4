import type { Option } from './table.ts'

/** `stop.deadline` on the command line: `--stop-deadline`. */
export const flagOf = ({ name }: Option): string => `--${words(name).join('-')}`

/** The prefix of the variables of all options. */
export const PREFIX = 'TSMILTER_'

/** `stop.deadline` in the environment: `TSMILTER_STOP_DEADLINE`. */
export const variableOf = ({ name }: Option): string =>
  `${PREFIX}${words(name).join('_').toUpperCase()}`

const words = (name: string): string[] =>
  name.split(/[.]|(?=[A-Z])/).map((word) => word.toLowerCase())

/** The text of an option in `--help`. */
export function helpOf(option: Option): string {
  const { kind, text } = option
  const usual = defaultText(option)
  return [
    sentence(text),
    sentence(`takes ${kind.takesText}`),
    ...(usual === '' ? [] : [`Default: ${usual}.`]),
    `[${variableOf(option)}]`,
  ].join(' ')
}

/** Adds a capital letter and a full stop. */
const sentence = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}.`

/** The default as you would write it, or an empty string if there is none. */
export const defaultText = ({ kind, default: usual }: Option): string =>
  usual === undefined ? '' : kind.show(usual)
