// Removes Authentication-Results fields that claim to be ours: whoever sends us mail can write one
// (RFC 8601, section 5). Let this filter run before those that add the true one.
import { defineFilter, isMain, runMilter, type HeaderField, type MessageFilter } from 'tsmilter'

/** @param own the authserv-id of this host, if it is not its name */
export const scrubAuthenticationResults = (own?: string): MessageFilter =>
  defineFilter({
    name: 'scrub-authentication-results',
    edits: ['headers'],
    headers({ server, headers }) {
      const ours = (own ?? server.name)?.toLowerCase()
      if (ours === undefined) throw new Error('the mail server does not tell its name')
      for (const field of headers.fields('Authentication-Results')) {
        const claimed = authservId(field)
        // One that cannot be read here may well be ours to somebody who can.
        if (claimed === undefined || claimed === ours) field.remove()
      }
    },
  })

/** The first word, in quotes or not. Comments, which may be nested, and a version are no part of it. */
function authservId({ raw }: HeaderField): string | undefined {
  let depth = 0
  const bare = raw.toString('latin1').replaceAll(/\\?[^]/g, (one) => {
    if (one === '(') depth++
    if (one !== ')' || depth === 0) return depth > 0 ? '' : one
    return --depth > 0 ? '' : ' '
  })
  const match = /^[ \t\r\n]*(?:"((?:\\.|[^"\\])*)"|([^ \t\r\n;"]+))[ \t\r\n;]/.exec(bare)
  return (match?.[1]?.replaceAll(/\\(.)/g, '$1') ?? match?.[2])?.toLowerCase()
}

const filter = scrubAuthenticationResults()
export default filter

if (isMain(import.meta)) {
  const listen = 'inet:8890@localhost'
  await runMilter('scrub-authentication-results', { factory: filter, listen })
}
