/** The options of `archive`. */
import { choice, directory, inputFile, mode } from '../../options/kinds.ts'
import { object } from '../../options/part-kinds.ts'
import type { Shape } from '../../options/shape.ts'
import { code, duration } from '../../options/value-kinds.ts'
import { commonFields } from '../common-fields.ts'
import { localNetworks } from '../local-networks.ts'
import { serviceUrl } from '../http/http-options.ts'
import type {
  ArchiveOptions,
  ArchiveServer,
  ArchiveServerSettings,
  ArchiveSettings,
} from '../types.ts'

const SERVER: Shape<ArchiveServer, ArchiveServerSettings> = {
  name: 'http',
  type: 'ArchiveServer',
  isEntry: true,
  text: 'a server that takes files by PUT',
  fields: {
    url: {
      kind: serviceUrl,
      required: true,
      text: 'the folder on the server; the path of a file is added to it',
    },
    authorizationFile: {
      kind: inputFile,
      text: 'a file whose first line is the field Authorization, such as Bearer and a token',
    },
    caFile: {
      kind: inputFile,
      text: 'certificates of the authorities that count, in PEM; by default those of Node',
    },
  },
  check({ url, authorizationFile }, report) {
    if (new URL(url).search !== '') {
      report({ path: ['url'], text: 'takes an address without a question mark' })
    }
    if (authorizationFile !== undefined && !url.startsWith('https:')) {
      report({
        path: ['url'],
        text: 'takes https: when there is a secret: everybody between could read it',
      })
    }
  },
}

export const ARCHIVE: Shape<ArchiveOptions, ArchiveSettings> = {
  name: 'archive',
  type: 'Archive',
  text: 'keeps a copy of each message with its envelope, in files or on a server',
  oneOf: ['directory', 'http'],
  fields: {
    directory: {
      kind: directory,
      text: 'the directory for the copies; it has to be there',
    },
    http: { kind: object(SERVER), text: 'a server that takes the copies by PUT' },
    mode: { kind: mode, default: 0o600, text: 'permission bits of the files in directory' },
    onFailure: {
      kind: choice(['tempfail', 'pass']),
      default: 'tempfail',
      text: 'what becomes of a message that cannot be kept',
    },
    deadline: {
      kind: duration({ from: 100, to: 240_000 }),
      default: 60_000,
      text: 'time in which a copy has to be made',
    },
    markKeyFile: {
      kind: inputFile,
      text: 'a file with a key; then a message that comes through again is not kept twice',
    },
    networks: localNetworks('clients whose marks count: your own servers'),
    ...commonFields('archive'),
    clock: { kind: code('() => number'), text: 'Unix time in milliseconds, for tests' },
  },
  check({ directory: root, mode: bits }, report) {
    if ((bits & 0o600) !== 0o600) {
      report({ path: ['mode'], text: 'takes a mode with which the owner reads and writes' })
    }
    if ((bits & 0o111) !== 0) report({ path: ['mode'], text: 'takes a mode without x' })
    if (root !== undefined && !root.startsWith('/')) {
      report({ path: ['directory'], text: 'takes an absolute path', got: { value: root } })
    }
  },
}
