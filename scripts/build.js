import { buildPackage } from './setup.js'

buildPackage()
