// `npm run check`: what has to hold before each commit, on any machine, without root. Each step says what it is, and
// all are run, so that one look shows everything that is wrong.
import { spawnSync } from 'node:child_process'
import { buildChanged, root } from './setup.js'

// Types: it ends here if something does not compile. The linter needs the types of the package.
buildChanged()

const failed = []
for (const script of ['format:check', 'lint', 'check:unused', 'test:fast']) {
  console.log(`\n== npm run ${script}`)
  const { status } = spawnSync('npm', ['run', '--silent', script], {
    cwd: root,
    stdio: 'inherit',
    // npm is a script of a shell on Windows.
    shell: process.platform === 'win32',
  })
  if (status !== 0) failed.push(script)
}
console.log(failed.length === 0 ? '\nall is well' : `\nfailed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
