/** Connects mistakes in values with their places in the file. */
import { dirname, resolve } from 'node:path'
import { mistakeText, type Reader } from '../../options/mistake.ts'
import { whyUnreadable } from './input-file.ts'
import { nodeAt, secretAt, type ConfigNode } from './nodes.ts'
import type { FileMistake, Place } from './place.ts'

/** What stands before the path of a table: `refile:/etc/opendkim/signing`. */
const KIND_OF_TABLE = /^[a-z]{2,}:/i

/** A secret that the configuration has or names. */
export interface SecretPlace {
  readonly place: Place
  /** the file that has it: that of the place, or another */
  readonly file: string
}

/** What is found while files are read. */
export interface Found {
  readonly mistakes: FileMistake[]
  readonly secrets: SecretPlace[]
}

/**
 * @param root what the paths of mistakes begin at
 * @param place of its name
 * @param name what the root is called in messages about it as a whole
 */
export function readerAt(
  root: ConfigNode,
  place: Place,
  { mistakes, secrets }: Found,
  name: string,
): Reader {
  return {
    isFile: true,
    report(mistake) {
      const { path, atName } = mistake
      const found = nodeAt(root, path)
      if (found.node.type === 'scalar' && found.node.failed) return
      // What is missing has no place: the name of the object has one.
      const at = path.length === 0 ? place : atName ? found.namePlace : found.node.place
      const text = mistakeText(
        mistake,
        path.length === 0 ? name : undefined,
        secretAt(root, path),
      )
      mistakes.push({ place: at, text })
    },
    secret(path, file) {
      const { node } = nodeAt(root, path)
      // What a tag stands for is not in the file: the reader of the tag knows where it is.
      if (node.type === 'scalar' && node.secret !== undefined) return
      secrets.push({ place: node.place, file: file ?? node.place.file })
    },
    file(path, at, needed) {
      const { node } = nodeAt(root, at)
      const [kind = ''] = KIND_OF_TABLE.exec(path) ?? []
      const file = resolve(dirname(node.place.file), path.slice(kind.length))
      const wrong = needed ? whyUnreadable(file) : undefined
      if (wrong !== undefined) {
        const named = mistakeText({ path: at, text: `names ${file}, which ${wrong}` })
        mistakes.push({ place: node.place, text: named })
      }
      return `${kind}${file}`
    },
  }
}
