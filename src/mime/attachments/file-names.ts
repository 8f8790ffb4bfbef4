/** Finds names of files that are dangerous to open, and names that hide what the file is. */
import { UsageError } from '../../errors.ts'
import { DANGEROUS_EXTENSIONS } from './file-extensions.ts'

/** Why a name is dangerous. */
export const NAME_DANGERS = {
  DIRECTION_OVERRIDE: 'a character that shows the rest of the name backwards',
  DANGEROUS_EXTENSION: 'an extension of files that run when they are opened',
  DOUBLE_EXTENSION: 'an extension of files that run, after one that looks harmless',
  CLASS_ID: 'a class identifier in place of an extension',
  CONTROL_CHARACTER: 'a control character, where some programs end the name',
  PATH_STEPS_UP: 'a path that leaves its directory',
  NAME_TOO_LONG:
    'a name that is too long for any file system: each program cuts it in a different place',
} as const

export type NameDanger = keyof typeof NAME_DANGERS

/** Extensions without dots, in any case. A set must have them in lower case. */
export type Extensions = readonly string[] | ReadonlySet<string>

/** The maximum length of a name that is checked. File systems take 255 characters; paths are longer. */
export const LONGEST_NAME = 1_024

const DEFAULTS: ReadonlySet<string> = new Set(DANGEROUS_EXTENSIONS)

/** @throws UsageError INVALID_OPTION for anything that is not an extension such as `exe` */
export function extensionSet(extensions: Extensions): ReadonlySet<string> {
  if (extensions === DANGEROUS_EXTENSIONS) return DEFAULTS
  if (extensions instanceof Set) return extensions as ReadonlySet<string>
  if (!Array.isArray(extensions)) {
    throw new UsageError('INVALID_OPTION', 'extensions takes a list such as ["exe", "js"]')
  }
  return new Set(
    (extensions as readonly unknown[]).map((one) => {
      const extension = typeof one === 'string' ? one.toLowerCase().replace(/^\./, '') : ''
      if (!/^[^./\\\s]+$/.test(extension)) {
        throw new UsageError(
          'INVALID_OPTION',
          `${JSON.stringify(one)} is not an extension such as exe`,
        )
      }
      return extension
    }),
  )
}

/**
 * Why a name is dangerous, or undefined if it is not. Extensions are found as Windows finds them: case does not
 * count, dots and spaces at the end do not count, and a colon begins a stream of the same file. Invisible characters
 * do not count, and characters of other widths are read as the usual ones (NFKC, Unicode Standard Annex 15).
 * Directories before the name do not count, unless they lead up.
 *
 * A name of more than {@link LONGEST_NAME} characters is always dangerous.
 *
 * @param extensions @default {@link DANGEROUS_EXTENSIONS}
 * @throws UsageError INVALID_OPTION for anything that is not an extension such as `exe`
 */
export function dangerousName(
  name: string,
  extensions: Extensions = DANGEROUS_EXTENSIONS,
): NameDanger | undefined {
  const wanted = extensionSet(extensions)
  if (SIMPLE.test(name) && name.length <= LONGEST_NAME) {
    return dangerousEnd(trimmed(name), wanted)
  }
  if (/[\u202d\u202e]/.test(name)) return 'DIRECTION_OVERRIDE'
  // Joiners and marks of direction are common in names that are not Latin. They are taken out, but not reported.
  const seen = trimmed(name.replaceAll(/\p{Default_Ignorable_Code_Point}/gu, ''))
  if (seen.length > LONGEST_NAME) return 'NAME_TOO_LONG'
  const path = seen.normalize('NFKC').split(/[/\\]/)
  const file = path.findLast((step) => trimmed(step) !== '') ?? ''
  // oxlint-disable-next-line eslint/no-control-regex -- they are what is looked for
  for (const piece of file.split(/[\0-\x08\n-\x1f\x7f:]/)) {
    const danger = dangerousEnd(trimmed(piece), wanted)
    if (danger !== undefined) return danger
  }
  // oxlint-disable-next-line eslint/no-control-regex -- as above; a tab may come from a fold
  if (/[\0-\x08\n-\x1f\x7f]/.test(name)) return 'CONTROL_CHARACTER'
  return path.includes('..') ? 'PATH_STEPS_UP' : undefined
}

/** Most names are ASCII without a path, a stream or a control character. */
const SIMPLE = /^[ !-.0-9;-[\]-~]*$/

function dangerousEnd(file: string, wanted: ReadonlySet<string>): NameDanger | undefined {
  const dot = file.lastIndexOf('.')
  if (dot === -1) return undefined
  const extension = file.slice(dot + 1).toLowerCase()
  if (wanted.has(extension)) {
    const stem = file.slice(0, dot)
    const bare = trimmed(stem)
    const hidden = bare !== stem || /\.[a-z][a-z0-9]{1,4}$/i.test(bare.slice(-6))
    return hidden && bare !== '' ? 'DOUBLE_EXTENSION' : 'DANGEROUS_EXTENSION'
  }
  return /^\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}$/.test(extension)
    ? 'CLASS_ID'
    : undefined
}

/** The name without dots and spaces at the end, and without the quotes that some programs add a second time. */
function trimmed(text: string): string {
  let end = text.length
  while (end > 0 && /[\s."']/.test(text[end - 1]!)) end--
  return text.slice(0, end)
}

/** The extension of a name in lower case, as a program on Windows finds it. It is empty if there is none. */
export function extensionOf(name: string): string {
  const file = trimmed(name)
  const dot = file.lastIndexOf('.')
  return dot === -1 ? '' : file.slice(dot + 1).toLowerCase()
}
