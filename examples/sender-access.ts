// Looks senders up in a table, in the order of Postfix: user@domain, domain, parent domains, user@.
import { CONTINUE, defineFilter, reply, type MessageFilter } from 'tsmilter'
import { accessKeys, lookupFirst, openTable, type Table } from 'tsmilter/toolkit'

export const senderAccess = (table: Table): MessageFilter =>
  defineFilter({
    name: 'sender-access',
    async sender({ address }, { signal }) {
      // It throws if the table cannot be asked. Then the message is deferred (onError).
      const found = await lookupFirst(table, accessKeys(address), { signal })
      return found?.value === 'REJECT'
        ? reply(550, '5.7.1', `${found.key} is refused`)
        : CONTINUE
    },
  })

// Of Postfix: senderAccess(await openTable('hash:/etc/postfix/sender_access'))
export default senderAccess(
  await openTable('inline:{ good@bad.example=OK, bad.example=REJECT }'),
)
