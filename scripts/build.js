// The package as it is published; with --all also tests and examples.
import { buildAll, buildPackage } from './setup.js'

if (process.argv.includes('--all')) buildAll()
else buildPackage()
