// `npm start`: sets itself up, then shows the main job. Arguments go to examples/demo.ts.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { buildAll, root } from './setup.js'

buildAll()
const demo = spawn(
  process.execPath,
  [join(root, 'build', 'examples', 'demo.js'), ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
)
// Ctrl-C reaches the whole group; a signal to this process alone is handed on.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => demo.kill(signal))
process.on('SIGINT', () => {})
demo.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 1
})
