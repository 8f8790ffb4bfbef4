// Rewrites senders of other domains (SRS), and sends bounces to rewritten senders on to the original ones.
import { CONTINUE, defineFilter, reply, type MessageFilter } from 'tsmilter'
import type { Srs } from 'tsmilter/toolkit'

export const forwarder = (srs: Srs): MessageFilter =>
  defineFilter({
    name: 'forwarder',
    edits: ['sender', 'recipients'],
    reads: [],
    recipient({ address }) {
      const found = srs.reverse(address)
      if (found.address !== undefined || found.reason === 'not-srs') return CONTINUE
      return reply(550, '5.1.1', `${address} is not a sender of this server (${found.reason})`)
    },
    message(mail) {
      const { address: rewritten } = srs.forward(mail.sender.address)
      if (rewritten !== undefined) mail.sender.replace(rewritten)
      for (const { address } of mail.recipients) {
        const { address: original } = srs.reverse(address)
        if (original === undefined) continue
        mail.recipients.remove(address)
        mail.recipients.add(original)
      }
    },
  })
