// Marks mail whose From has the address of somebody else as its name: "boss@example.org" <x@evil.example>.
import { defineFilter } from 'tsmilter'
import { addressParts, firstMailbox } from 'tsmilter/toolkit'

export default defineFilter({
  name: 'forged-name',
  edits: ['headers'],
  headers({ headers }) {
    const { name, domain } = firstMailbox(headers.field('From')?.value ?? '') ?? {}
    const named = addressParts(/\S+@\S+/.exec(name ?? '')?.[0] ?? '').domain
    if (named === undefined || named.toLowerCase() === domain) return
    headers.append('X-Forged-Name', 'yes')
  },
})
