// `npm test`: sets itself up, runs every test this machine can run, and ends in one plain line.
//   --unit     without the real mail servers      --mta   only the real mail servers
//   --no-build the last build is good enough (used to run one build on several versions of Node)
//   --quiet    a dot a test
//   any other argument: only test files whose path contains it
import { run as runTests } from 'node:test'
import { dot, spec } from 'node:test/reporters'
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { buildAll, root } from './setup.js'

const options = new Set(process.argv.slice(2).filter((a) => a.startsWith('--')))
const wanted = process.argv.slice(2).filter((a) => !a.startsWith('--'))
if (!options.has('--no-build')) buildAll()

const testRoot = join(root, 'build', 'test')
const files = readdirSync(testRoot, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  .filter((file) => {
    const path = relative(testRoot, file)
    if (options.has('--unit') && path.startsWith('mta')) return false
    if (options.has('--mta') && !path.startsWith('mta')) return false
    return wanted.length === 0 || wanted.some((part) => path.includes(part))
  })
  .sort()

const count = { passed: 0, failed: 0, skipped: 0 }
/** A reason for skipping is said once, however many tests it skips. */
const reasons = new Set()
const isTest = (data) => data.details?.type !== 'suite' && !files.includes(data.name)

// Files with real mail servers run one after the other: they share two cores and measure timeouts.
const serial = files.some((file) => relative(testRoot, file).startsWith('mta'))
const stream = runTests({ files, concurrency: serial ? 2 : true, timeout: 15 * 60_000 })
stream.on('test:pass', (data) => {
  if (!isTest(data)) return
  if (data.skip !== undefined) {
    count.skipped++
    if (typeof data.skip === 'string') reasons.add(data.skip)
  } else count.passed++
})
stream.on('test:fail', (data) => {
  // A suite fails with its tests, which are counted themselves; a file fails by itself when it cannot be loaded.
  if (isTest(data) || data.details?.error?.failureType !== 'subtestsFailed') count.failed++
})
stream.compose(options.has('--quiet') ? dot : new spec()).pipe(process.stdout)
stream.on('end', () => {
  // After the reporter has written its own summary.
  setImmediate(() => {
    for (const reason of reasons) console.log(`skipped: ${reason}`)
    console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
    if (count.passed === 0) console.log('no test ran')
    process.exitCode = count.failed === 0 && count.passed > 0 ? 0 : 1
  })
})
