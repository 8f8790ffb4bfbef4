// What is compiled for the benchmark, each only if its sources are newer than it.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../scripts/setup.js'

const bench = join(root, 'bench')
export const built = (name) => join(bench, '.build', name)
export const serverPath = (name) => join(bench, 'servers', name)
/** The command that runs a server of `servers/` with `tsmilter run`. */
export const runCommand = (node, address, name, workers) => [
  node,
  join(root, 'bin', 'tsmilter.js'),
  'run',
  '--listen',
  address,
  '--workers',
  `${workers}`,
  '--log-level',
  'warn',
  serverPath(name),
]

const CC = process.env.CC ?? 'gcc'

/** Answers undefined, or why it could not be built. */
function compile(name, sources, ...flags) {
  const target = built(name)
  const newest = Math.max(...sources.map((source) => statSync(source).mtimeMs))
  if (existsSync(target) && statSync(target).mtimeMs > newest) return
  mkdirSync(join(bench, '.build'), { recursive: true })
  const args = [
    '-O2',
    '-std=gnu11',
    '-Wall',
    '-o',
    target,
    ...sources.filter((source) => source.endsWith('.c')),
    ...flags,
  ]
  const { error, status, stderr } = spawnSync(CC, args, { encoding: 'utf8' })
  if (error) return error.message
  return status === 0 ? undefined : stderr
}

export function buildLoad() {
  const folder = join(bench, 'load')
  const failed = compile(
    'load',
    readdirSync(folder).map((name) => join(folder, name)),
  )
  if (failed === undefined) return
  console.error(`The load generator needs a C compiler (Debian: gcc, libc6-dev):\n${failed}`)
  process.exit(1)
}

export const buildFloor = () => compile('floor', [serverPath('floor.c')])
export const buildLibmilter = () =>
  compile('libmilter', [serverPath('libmilter.c')], '-lmilter', '-lpthread')
export const buildNodelay = () =>
  compile('nodelay.so', [serverPath('nodelay.c')], '-shared', '-fPIC', '-ldl')
