// The first module of each entry point, so that it runs before anything that an old Node lacks is called. It must
// parse and run there itself.

/** As `engines` of package.json; from 22 on what counts is `process.getBuiltinModule`, which came with 22.3. */
const OLDEST = [20, 19]
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const known = major > OLDEST[0]! || (major === OLDEST[0] && minor >= OLDEST[1]!)

if (!known || !('getBuiltinModule' in process)) {
  const error = new Error(
    `tsmilter needs Node 20.19 or later (of 22: 22.3 or later), and this is ${process.version}: get a newer one from https://nodejs.org/en/download or your distribution, or try npx node@22`,
  )
  // A program may catch it. If none does, one line is what it ends with, without lines of this file and a stack.
  process.on('uncaughtExceptionMonitor', (uncaught) => {
    if (uncaught !== error) return
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  })
  throw error
}
