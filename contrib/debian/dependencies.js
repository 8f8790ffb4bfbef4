// dependencies.js REPOSITORY: writes package.json and package-lock.json for what is installed with the program, here. They are
// those of the repository, in which the optional packages are dependencies, and there is nothing for development.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const repository = process.argv[2]
const read = (name) => JSON.parse(readFileSync(join(repository, name), 'utf8'))
const write = (name, value) => writeFileSync(name, `${JSON.stringify(value, null, 2)}\n`)

const LEFT_OUT = new Set([
  'devDependencies',
  'peerDependencies',
  'peerDependenciesMeta',
  'scripts',
])

function forUse(manifest) {
  const kept = Object.entries(manifest).filter(([name]) => !LEFT_OUT.has(name))
  return {
    ...Object.fromEntries(kept),
    dependencies: { ...manifest.dependencies, ...manifest.peerDependencies },
  }
}

const lock = read('package-lock.json')
write('package.json', forUse(read('package.json')))
// npm ci wants both to say the same.
write('package-lock.json', {
  ...lock,
  packages: { ...lock.packages, '': forUse(lock.packages['']) },
})
