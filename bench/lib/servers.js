// The servers that are compared, and where they come from.
import { spawnSync } from 'node:child_process'
import { buildFloor, buildLibmilter, buildNodelay, built, serverPath } from './build.js'

const all = ['noop', 'addheader', 'addheader-nr', 'body']
const succeeds = (program, ...args) =>
  spawnSync(program, args, { stdio: 'ignore' }).status === 0
const needs = (there, what) => (there ? undefined : what)

const FLOORS = { floor: 'floor.js', onread: 'floor.js+onread' }
const onNode = (name, workloads = all) => ({
  name: FLOORS[name] ?? name,
  workloads,
  missing: () => undefined,
  command: (node, ...args) => [node, serverPath(`${name}.js`), ...args],
  compiles: true,
})

/**
 * `missing` answers why a server cannot be measured here; `workloads` are those it has an answer to.
 * `only` is the transport on which a variant makes a difference; `compiles` says that it becomes faster
 * in its first seconds.
 */
export const SERVERS = [
  {
    name: 'floor.c',
    workloads: all,
    missing: buildFloor,
    command: (_node, ...args) => [built('floor'), ...args],
  },
  onNode('floor'),
  onNode('onread', ['noop']),
  {
    name: 'libmilter',
    package: 'libmilter-dev',
    workloads: all,
    missing: () => needs(buildLibmilter() === undefined, 'libmilter (Debian: libmilter-dev)'),
    command: (_node, ...args) => [built('libmilter'), ...args],
  },
  {
    name: 'libmilter+nodelay',
    workloads: all,
    only: 'tcp',
    missing: () =>
      needs(
        buildLibmilter() === undefined && buildNodelay() === undefined,
        'libmilter (Debian: libmilter-dev)',
      ),
    command: (_node, ...args) => [built('libmilter'), ...args],
    env: { LD_PRELOAD: built('nodelay.so') },
  },
  {
    name: 'pymilter',
    package: 'python3-milter',
    workloads: all,
    missing: () =>
      needs(
        succeeds('/usr/bin/python3', '-c', 'import Milter'),
        'pymilter (Debian: python3-milter)',
      ),
    command: (_node, ...args) => [
      '/usr/bin/python3',
      serverPath('pymilter_server.py'),
      ...args,
    ],
  },
  {
    name: 'PMilter',
    package: 'libsendmail-pmilter-perl',
    // It speaks version 2 of the protocol, which has no other answer than one to each command.
    workloads: ['noop', 'addheader', 'body'],
    // It answers QUIT.
    load: ['--quit-answer'],
    // A process for each connection.
    manyConnections: false,
    missing: () =>
      needs(
        succeeds('/usr/bin/perl', '-MSendmail::PMilter', '-e', '1'),
        'Sendmail::PMilter (Debian: libsendmail-pmilter-perl)',
      ),
    command: (_node, ...args) => ['/usr/bin/perl', serverPath('pmilter.pl'), ...args],
  },
  onNode('events'),
  onNode('objects'),
  // What gets no answer is worked out from what is declared, so there is nothing to mark.
  onNode('messages', ['noop', 'addheader', 'body']),
  {
    ...onNode('messages', ['addheader']),
    name: 'messages+read',
    command: (node, address) => [node, serverPath('messages.js'), address, 'addheader-read'],
  },
]

/** Those of the given names that are here; says which are not. */
export function availableServers(names) {
  const chosen = names.map((name) => {
    const server = SERVERS.find((one) => one.name === name)
    if (server !== undefined) return server
    console.error(`no server ${name}: ${SERVERS.map((one) => one.name).join(', ')}`)
    return process.exit(2)
  })
  const said = new Set()
  return chosen.filter((server) => {
    const missing = server.missing()
    if (missing === undefined) return true
    if (!said.has(missing)) console.log(`left out, not installed: ${missing}`)
    said.add(missing)
    return false
  })
}
