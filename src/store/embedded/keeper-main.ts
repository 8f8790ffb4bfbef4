/**
 * The program of a keeper: `node keeper-main.js PATH MAX_SIZE`. It tells the process that has started it whether it
 * could start, and goes on without it while another process uses the store.
 */
import { createServer } from 'node:net'
import { unavailable } from './files.ts'
import { Keeper } from './keeper.ts'
import { becomeKeeper } from './places.ts'

const [path = '', maxSize = ''] = process.argv.slice(2)

// A signal to all processes of a service or a terminal is for those that use the store. The keeper ends with the last.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

/** What the process that has started the keeper gets, at most once. */
function report(failure: { code: string; message: string } | undefined): void {
  if (process.connected) {
    if (failure !== undefined) process.send?.(failure)
    process.disconnect()
  }
}

const keeper = new Keeper(path)
// allowHalfOpen: a client waits for the end of its connection, and gets it when the files are closed.
const server = createServer({ allowHalfOpen: true }, (socket) => keeper.serve(socket))
try {
  if (!(await becomeKeeper(path, server))) process.exit(0)
  await keeper.open(Number(maxSize))
  report(undefined)
} catch (error) {
  const { code, message } = unavailable(path, error)
  report({ code, message })
  await keeper.fail(unavailable(path, error))
}
