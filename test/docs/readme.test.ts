import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'

const root = ((): string => {
  for (let path = import.meta.dirname; ; path = dirname(path)) {
    if (existsSync(join(path, 'package.json'))) return path
  }
})()

/** A user's project with the package in it, and the code of the README as its files. */
const project = mkdtempSync(join(tmpdir(), 'tsmilter-readme-'))
after(() => rmSync(project, { recursive: true }))

const own = join(project, 'node_modules', 'tsmilter')
mkdirSync(own, { recursive: true })
for (const name of ['dist', 'package.json']) {
  cpSync(join(root, name), join(own, name), { recursive: true })
}
cpSync(join(root, 'examples', 'no-lottery.ts'), join(project, 'no-lottery.ts'))
writeFileSync(join(project, 'package.json'), '{ "type": "module" }')

/** Pages of which each sample is a file of its own. */
const readyMade = readdirSync(join(root, 'docs/ready-made')).map(
  (name) => `docs/ready-made/${name}`,
)
const samples = ['README.md', 'docs/stores.md', 'docs/toolkit.md', ...readyMade].flatMap(
  (page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/```ts\n([^]*?)```/g)].map(
      ([, code]) => code!,
    ),
)
for (const [i, code] of samples.entries()) writeFileSync(join(project, `sample-${i}.ts`), code)

/** What the compiler says of all of it, with the types of one line of Node. */
function compile(types: string): string {
  const installed = join(project, 'node_modules', '@types')
  rmSync(installed, { recursive: true, force: true })
  mkdirSync(installed)
  symlinkSync(join(root, 'node_modules', types), join(installed, 'node'))
  const options = {
    target: 'es2023',
    module: 'nodenext',
    types: ['node'],
    lib: ['es2023', 'esnext.disposable'],
    strict: true,
    noImplicitReturns: true,
    noImplicitOverride: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: false,
  }
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, include: ['*.ts'] }),
  )
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', project], {
    encoding: 'utf8',
  })
  return stdout + stderr
}

describe('the code of README, docs/stores.md, docs/toolkit.md and docs/ready-made', () => {
  it('is there', () => {
    assert.ok(samples.length >= 13)
  })

  for (const types of ['@types/node', 'types-node-26']) {
    it(`compiles as it stands, strictly, with ${types}`, () => {
      assert.equal(compile(types), '')
    })
  }
})
