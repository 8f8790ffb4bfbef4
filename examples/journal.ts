// Keeps a copy of each message that passes. The client gets 250 once the copy is on the disk. If the copy cannot be
// written (disk full, no directory), the client gets 4xx and tries again later.
import { randomUUID } from 'node:crypto'
import { open, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { defineFilter, isMain, runMilter, type MessageFilter } from 'tsmilter'

export const journal = (directory: string): MessageFilter =>
  defineFilter({
    name: 'journal',
    edits: [],
    onError: 'tempfail',
    async message(mail) {
      const { signal } = mail
      // With the time, since queue ids come again. What begins with a dot is not complete.
      const name = `${Date.now()}-${mail.queueId || randomUUID()}.eml`
      const temporary = join(directory, `.${name}`)
      try {
        const options = { flag: 'wx', mode: 0o600, flush: true, signal }
        await writeFile(temporary, mail.rawChunks(), options)
        signal.throwIfAborted()
        await rename(temporary, join(directory, name))
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
      // The new name is on the disk, too.
      const folder = await open(directory)
      await folder.sync().finally(() => void folder.close())
    },
  })

const filter = journal('/var/spool/journal')
export default filter

if (isMain(import.meta)) {
  await runMilter('journal', { factory: filter, listen: 'inet:8890@localhost' })
}
