/** Reads files of a configuration, and the secrets that it names. Nothing larger than a configuration is read. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { constants } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { codeOf } from '../../net/system-error.ts'
import type { TagReader } from './yaml.ts'
import { unknownTag } from './yaml.ts'

const MAX_CONFIG = 1_048_576
const MAX_SECRET = 65_536

export type Content = { readonly bytes: Buffer } | { readonly wrong: string }

/** A configuration file, or why it cannot be read. */
export const readConfig = (path: string): Content => readBounded(path, MAX_CONFIG)

/** Why a file cannot be read; undefined if it can. */
export function whyUnreadable(path: string): string | undefined {
  const read = readBounded(path, 0)
  return 'wrong' in read ? read.wrong : undefined
}

/** @param max bytes; with 0 nothing is read */
function readBounded(path: string, max: number): Content {
  let descriptor: number | undefined
  try {
    // A pipe without a writer would wait for ever.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const facts = fstatSync(descriptor)
    if (!facts.isFile()) return { wrong: 'is not a file' }
    if (max > 0 && facts.size > max) return { wrong: `is larger than ${max} bytes` }
    const bytes = Buffer.alloc(max > 0 ? facts.size : 0)
    let length = 0
    while (length < bytes.length) {
      const more = readSync(descriptor, bytes, length, bytes.length - length, length)
      if (more === 0) break
      length += more
    }
    return { bytes: bytes.subarray(0, length) }
  } catch (error) {
    return { wrong: WHY[codeOf(error)] ?? `cannot be read (${codeOf(error)})` }
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: `cannot be read by the user of this process: give the file to its group`,
  ENOTDIR: 'is inside of something that is not a directory',
  EISDIR: 'is a directory',
}

/**
 * The tags of a file. `!env NAME` is a variable of the environment, and `!file PATH` the content of a file without the
 * line break at its end. They stand for a whole value, so nothing in a text has a meaning that has to be escaped.
 */
export const secretsOf =
  (path: string, environment: NodeJS.ProcessEnv): TagReader =>
  (tag, text) => {
    if (tag === '!env') {
      if (!/^[A-Za-z_]\w*$/.test(text))
        return { wrong: '!env takes the name of a variable: !env NAME' }
      const value = environment[text]
      if (value === undefined || value === '') {
        return {
          wrong: `the variable ${text} is not set: set it in the environment of tsmilter (in a unit with EnvironmentFile=)`,
        }
      }
      return { value, source: `the variable ${text}` }
    }
    if (tag !== '!file') return { wrong: unknownTag(tag) }
    if (text === '')
      return { wrong: '!file takes the path of a file: !file /etc/tsmilter/secret' }
    const file = resolve(dirname(path), text)
    const read = readBounded(file, MAX_SECRET)
    if ('wrong' in read) return { wrong: `the file ${file} ${read.wrong}` }
    const value = read.bytes.toString().replace(/\r?\n$/, '')
    if (value === '') return { wrong: `the file ${file} is empty: write the secret into it` }
    return { value, source: `the file ${file}`, file }
  }
