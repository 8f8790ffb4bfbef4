// A filter in a process of its own: `dies` ends without a word at end of message.
import { serve } from '../../../src/index.ts'

const [listen, behaviour] = process.argv.slice(2) as [string, string]
const server = await serve(
  () => ({
    envfrom: () => {},
    eom(ctx) {
      if (behaviour === 'dies') process.exit(1)
      ctx.insertHeader(10_000, 'X-Filter', behaviour)
    },
  }),
  { listen },
)
process.send!(server.addresses[0])
