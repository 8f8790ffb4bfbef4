// `npm test`: sets itself up, runs every test this machine can run, and ends in one plain line.
//   --unit         without the real mail servers, other people's programs (Redis among them) and the soak
//   --fast         only the floors of the conversation itself (FAST below), without random cases, built where
//                  something has changed
//   --mail-servers only the real mail servers
//   --no-build     the last build is good enough (used to run one build on several versions of Node)
//   --quiet        only what fails
//   any other argument: only test files whose path contains it
import { setMaxListeners } from 'node:events'
import { run as runTests } from 'node:test'
import { spec } from 'node:test/reporters'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { inspect } from 'node:util'
import { buildAll, buildChanged, root } from './setup.js'

const options = new Set(process.argv.slice(2).filter((a) => a.startsWith('--')))
const wanted = process.argv.slice(2).filter((a) => !a.startsWith('--'))
if (!options.has('--no-build')) {
  if (options.has('--fast')) buildChanged()
  else buildAll()
}

/** Floors whose tests touch no file and no process. Of them those without random cases take under ten seconds. */
const FAST = ['protocol', 'session', 'milter', 'mta', 'testing'].map(
  (floor) => `test/${floor}/`,
)

const built = join(root, 'build')
const withMailServer = (file) => relative(built, file).startsWith(join('test', 'mail-servers'))
const isSoak = (file) => relative(built, file).startsWith(join('test', 'soak'))
const withRedis = (file) => relative(built, file).startsWith(join('test', 'store', 'redis'))
const withOthers = (file) =>
  withMailServer(file) ||
  isSoak(file) ||
  withRedis(file) ||
  relative(built, file).startsWith(join('test', 'conformance'))
const files = ['test', 'examples']
  .flatMap((folder) =>
    readdirSync(join(built, folder), { recursive: true, withFileTypes: true }),
  )
  .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  .filter((file) => {
    const path = relative(built, file)
    // A build of what has changed may have tests that are gone.
    const source = join(root, path.replace(/js$/, 'ts'))
    if (!existsSync(source)) return false
    if (options.has('--fast')) {
      if (!FAST.some((folder) => path.startsWith(folder))) return false
      if (readFileSync(source, 'utf8').includes("support/property.ts'")) return false
    }
    if (options.has('--unit') && withOthers(file)) return false
    if (options.has('--mail-servers') && !withMailServer(file)) return false
    return wanted.length === 0 || wanted.some((part) => path.includes(part))
  })
  .sort()

const count = { passed: 0, failed: 0, skipped: 0 }
/** A reason for skipping is said once, however many tests it skips. */
const reasons = new Set()
/** Suites with a mail server have its version in their names. */
const versions = new Set()
const isTest = (data) => data.details?.type !== 'suite' && !files.includes(data.name)

// Files with real mail servers run one after the other: they share two cores and measure timeouts.
const serial = files.some(withMailServer)
const soak = files.some(isSoak) ? Number(process.env.TSMILTER_SOAK_MINUTES ?? 2) : 0
// A browser that shows thousands of documents has limits of its own, which come before this one.
const browser = files.some((file) => file.endsWith('chromium.test.js'))
const minutes = Math.max(browser ? 16 : serial ? 12 : 6, 2 * soak + 3)
const overdue = new AbortController()
// Every file listens to it.
setMaxListeners(0, overdue.signal)
const stream = runTests({
  files,
  // Most files wait more than they work; Node's own choice on two cores is one at a time.
  concurrency: serial ? 2 : Math.max(2, availableParallelism()),
  timeout: minutes * 60_000,
  signal: overdue.signal,
})
stream.on('test:start', ({ name }) => {
  const server = /: ((?:postfix|sendmail) \d\S*)$/.exec(name)?.[1]
  if (server !== undefined) versions.add(server)
})
stream.on('test:pass', (data) => {
  if (!isTest(data)) return
  if (data.skip !== undefined) {
    count.skipped++
    if (typeof data.skip === 'string') reasons.add(data.skip)
  } else count.passed++
})
stream.on('test:fail', (data) => {
  // A suite fails with its tests, which are counted themselves; a file fails by itself when it cannot be loaded.
  if (!isTest(data) && data.details?.error?.failureType === 'subtestsFailed') return
  count.failed++
  if (options.has('--quiet')) {
    const where = relative(built, data.file ?? '')
    const { error } = data.details
    console.log(`failed: ${where}:${data.line}: ${data.name}\n${inspect(error.cause ?? error)}`)
  }
})
if (options.has('--quiet')) stream.resume()
else stream.compose(new spec()).pipe(process.stdout)

function finish() {
  if (versions.size > 0) console.log(`mail servers: ${[...versions].sort().join(', ')}`)
  for (const reason of reasons) console.log(`skipped: ${reason}`)
  console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
  if (count.passed === 0) console.log('no test ran')
  process.exitCode = count.failed === 0 && count.passed > 0 ? 0 : 1
}
// After the reporter has written its own summary.
stream.on('end', () => setImmediate(finish))

// A file that does not end is ended by its timeout, but not on every version of Node, nor where a
// process it left behind holds on to the output. The run ends all the same, and says so.
setTimeout(
  () => {
    console.log(`the tests did not end within ${2 * minutes} minutes`)
    count.failed++
    finish()
    overdue.abort()
    setTimeout(() => process.exit(), 1000)
  },
  2 * minutes * 60_000,
).unref()
