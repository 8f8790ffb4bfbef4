// What `npm start` and `npm test` share on a fresh clone: dependencies and a build, each only if needed.
// Plain JavaScript with Node's own modules, because nothing else is there yet.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Runs a command in the repository; ends this process with its exit code if it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (result.error) {
    console.error(`cannot run ${command}: ${result.error.message}`)
    process.exit(1)
  }
  if (result.status !== 0) process.exit(result.status ?? 1)
}

/** Installs the development dependencies when they are missing or older than the lock file. */
function install() {
  const stamp = join(root, 'node_modules', '.tsmilter-lock')
  const digest = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return
  console.log('installing development dependencies ...')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  writeFileSync(stamp, digest)
}

/** Runs the TypeScript compiler of the repository on one project file. */
function compile(project, ...options) {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  run(process.execPath, [tsc, '-p', project, ...options])
}

/** What the compiler knows of its last output, by project. It goes with the output. */
const state = (project) => join(root, 'build', `.${project}.tsbuildinfo`)
const compileChanged = (project) =>
  compile(project, '--incremental', '--tsBuildInfoFile', state(project))

/** dist/ is the package as it is published. */
export function buildPackage() {
  install()
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  rmSync(state('tsconfig.dist.json'), { force: true })
  compile('tsconfig.dist.json')
}

/** build/ is sources, tests and examples together; the type tests are proved by compiling them. */
export function buildAll() {
  buildPackage()
  rmSync(join(root, 'build'), { recursive: true, force: true })
  compile('tsconfig.json')
}

/** The same in a second, where little has changed. The output of sources that are gone stays. */
export function buildChanged() {
  install()
  if (!existsSync(join(root, 'dist', 'index.js'))) {
    rmSync(state('tsconfig.dist.json'), { force: true })
  }
  compileChanged('tsconfig.dist.json')
  compileChanged('tsconfig.json')
}
