// Adds a disclaimer to mail that leaves: to the text and to the HTML of a message, in their own charsets, and
// only once, however often people answer. What is signed or encrypted stays as it is.
import { defineFilter, isMain, runMilter } from 'tsmilter'
import { addFooter } from 'tsmilter/mime'

const FOOTER = {
  text: '-- \nExample Ltd., 1 Example Street, Exampletown',
  html: '<hr><p>Example Ltd., <a href="https://www.example.org/">1 Example Street</a>, Exampletown</p>',
  mark: 'example-footer',
  // Of people who are logged in, so that what they write is trusted.
  once: true,
}

const disclaimer = defineFilter({
  name: 'disclaimer',
  // A message that cannot have one goes out without: an error must not keep mail back.
  onError: 'continue',
  async message(mail) {
    if (mail.connection.authenticated === undefined) return
    const result = await addFooter(await mail.mime(), FOOTER)
    mail.log.debug({ result }, 'footer')
  },
})

export default disclaimer

if (isMain(import.meta)) {
  await runMilter('disclaimer', { factory: disclaimer, listen: 'inet:8890@localhost' })
}
