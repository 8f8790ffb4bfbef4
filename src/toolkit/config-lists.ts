/** Lists in configurations as pymilter's MilterConfigParser reads them. */
import { basename, resolve } from 'node:path'
import { FileError } from '../errors.ts'
import { invalidEntry, readText, shown } from './entry.ts'
import { isMissing } from './files/file-lock.ts'

/**
 * The items of a list with commas, without the spaces around them. No text gives no items; an empty text gives one empty
 * item, as an empty place between two commas does.
 *
 *     readList(' a, b ,c') // ['a', 'b', 'c']
 */
export const readList = (text: string | undefined): string[] =>
  text === undefined ? [] : text.split(',').map((item) => item.trim())

export interface FileEntryOptions {
  /** where the files of `file:` entries are; the working directory by default */
  readonly directory?: string
  /** what the list is called in errors; `address list` by default */
  readonly name?: string
}

/**
 * Local parts by their domain. An entry is an address, or `file:example.org` for a file with the local parts of that
 * domain, with spaces or line breaks between them. Domains are in lower case.
 *
 *     await readAddressSet('joe@A.com, ann@A.com') // Map { 'a.com' => ['joe', 'ann'] }
 *
 * @throws UsageError INVALID_ENTRY; FileError FILE_FAILED
 */
export async function readAddressSet(
  text: string | undefined,
  options: FileEntryOptions = {},
): Promise<Map<string, string[]>> {
  const { directory = '.', name = 'address list' } = options
  const domains = new Map<string, string[]>()
  const add = (domain: string, locals: readonly string[]): void => {
    const folded = domain.toLowerCase()
    const known = domains.get(folded) ?? []
    domains.set(folded, known)
    for (const local of locals) known.push(local)
  }
  for (const entry of readList(text)) {
    if (entry.startsWith('file:')) {
      const file = entry.slice('file:'.length).trim()
      // oxlint-disable-next-line eslint/no-await-in-loop -- in their order
      add(basename(file), wordsOf(await readEither(directory, file)))
      continue
    }
    const at = entry.lastIndexOf('@')
    if (at < 1 || at === entry.length - 1) {
      throw invalidEntry(
        name,
        `${shown(entry)} is not an address`,
        'write user@domain or file:domain',
      )
    }
    add(entry.slice(at + 1), [entry.slice(0, at)])
  }
  return domains
}

export interface AddressDict {
  /** the option of each address */
  readonly addresses: ReadonlyMap<string, string>
  /** options that are named and do not exist; pymilter does not tell */
  readonly missing: readonly string[]
}

/**
 * The option that names each address. The text names options; each of them is a list of addresses, or of `file:path` for
 * files with addresses, with spaces or line breaks between them.
 *
 *     const options = { w1: 'a@b, c@d', w2: 'file:lst' }
 *     const { addresses } = await readAddressDict('w1, w2', (name) => options[name])
 *     addresses.get('a@b') // 'w1'
 *
 * @param option the text of an option; undefined if there is none
 * @throws FileError FILE_FAILED
 */
export async function readAddressDict(
  text: string | undefined,
  option: (name: string) => string | undefined,
  options: FileEntryOptions = {},
): Promise<AddressDict> {
  const { directory = '.' } = options
  const addresses = new Map<string, string>()
  const missing: string[] = []
  for (const name of readList(text)) {
    const list = option(name)
    if (list === undefined) missing.push(name)
    for (const entry of readList(list)) {
      const found = entry.startsWith('file:')
        ? // oxlint-disable-next-line eslint/no-await-in-loop -- in their order
          wordsOf(await readText(resolve(directory, entry.slice('file:'.length).trim())))
        : [entry]
      for (const address of found) addresses.set(address, name)
    }
  }
  return { addresses, missing }
}

/** pymilter reads the file with the name in lower case. */
async function readEither(directory: string, file: string): Promise<string> {
  try {
    return await readText(resolve(directory, file))
  } catch (error) {
    if (!(error instanceof FileError) || !isMissing(error.cause)) throw error
    const lower = file.slice(0, -basename(file).length) + basename(file).toLowerCase()
    if (lower === file) throw error
    return readText(resolve(directory, lower))
  }
}

const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '')
