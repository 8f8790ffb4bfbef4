#!/usr/bin/env node
// Says what is missing on a Node that is too old; the rest is loaded only after it.
import '../dist/node-version.js'

const { main } = await import('../dist/cli/main.js')
process.exitCode = await main(process.argv.slice(2))
