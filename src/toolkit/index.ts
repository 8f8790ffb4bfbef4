import '../node-version.ts'

export { uniqueId } from './unique-id.ts'
