// copyright.js DIRECTORY LICENSE: writes the copyright file of the package (Debian's machine-readable format 1.0) for the
// program in the directory, with all packages in its node_modules.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'

const [directory, licence] = process.argv.slice(2)

/** The directories of all packages below node_modules, nested ones too. */
function* packages(folder) {
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name)
    if (name.startsWith('@')) yield* packages(path)
    else if (existsSync(join(path, 'package.json'))) {
      yield path
      yield* packages(join(path, 'node_modules'))
    }
  }
}

const inText = (text) =>
  text
    .trim()
    .split('\n')
    .map((line) => ` ${line.trimEnd() || '.'}`)
    .join('\n')
const NOTICE = /^notice/i
const LICENCE = /^(licen[cs]e|copying|notice)/i
const own = readFileSync(licence, 'utf8')

const stanzas = [
  `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: tsmilter
Source: https://github.com/tsmilter/tsmilter`,
  `Files: *
Copyright: ${/^Copyright (?:\(c\) )?(.*)$/im.exec(own)?.[1] ?? 'the authors of tsmilter'}
License: MIT
${inText(own)}`,
]
for (const path of packages(join(directory, 'node_modules'))) {
  const { name, version, license, author } = JSON.parse(
    readFileSync(join(path, 'package.json'), 'utf8'),
  )
  const isApache = license === 'Apache-2.0'
  const files = readdirSync(path).filter((file) => (isApache ? NOTICE : LICENCE).test(file))
  const texts = files.map((file) => readFileSync(join(path, file), 'utf8'))
  // Debian wants a reference in place of the texts that every machine has.
  if (isApache) texts.push('The text is in /usr/share/common-licenses/Apache-2.0.')
  if (texts.length === 0) texts.push(`The package names this licence: ${license}`)
  const holder =
    /^\W*Copyright.*\d.*$/im
      .exec(texts.join('\n'))?.[0]
      .replace(/^\W*Copyright:?\s*/i, '')
      .trim() ??
    (typeof author === 'object' ? author.name : author) ??
    `the authors of ${name}`
  stanzas.push(`Files: usr/lib/tsmilter/${relative(directory, path)}/*
Copyright: ${holder}
License: ${String(license).replaceAll(/[()]/g, '')} of ${name.replace('@', '').replace('/', '-')}
${inText(texts.join('\n'))}
Comment: ${name} ${version}`)
}
process.stdout.write(`${stanzas.join('\n\n')}\n`)
