// A filter that has to think: some milliseconds of CPU at the end of each message.
//
//     tsmilter run --listen ADDRESS busy.js
import { pbkdf2Sync } from 'node:crypto'
import { ACCEPT } from 'tsmilter'

export default () => ({
  eom() {
    pbkdf2Sync('a', 'salt', 8_000, 32, 'sha256')
    return ACCEPT
  },
})
