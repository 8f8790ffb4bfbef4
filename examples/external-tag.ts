// Marks mail from outside: puts [EXTERNAL] before the subject, unless the sender has logged in.
// The body is not needed, so the mail server does not send it.
import { defineFilter, isMain, runMilter } from 'tsmilter'

const TAG = '[EXTERNAL]'

const externalTag = defineFilter({
  name: 'external-tag',
  edits: ['headers'],
  headers(mail) {
    if (mail.connection.authenticated) return
    const subjects = mail.headers.fields('Subject')
    if (subjects.length === 0) mail.headers.append('Subject', TAG)
    for (const subject of subjects) {
      // An answer to a marked mail has the mark already.
      if (!subject.value.includes(TAG)) subject.value = `${TAG} ${subject.value}`
    }
  },
})

export default externalTag

if (isMain(import.meta)) {
  await runMilter('external-tag', { factory: externalTag, listen: 'inet:8890@localhost' })
}
