// copyright.js DIRECTORY LICENSE: writes the copyright file of the package (Debian's machine-readable format 1.0) for the
// program in the directory, with all packages in its node_modules.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

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
const isLicence = (name) => /^(licen[cs]e|copying|notice)/i.test(name)
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
  const text = readdirSync(path)
    .filter(isLicence)
    .map((file) => readFileSync(join(path, file), 'utf8'))
    .join('\n')
  const holder =
    /^\W*Copyright.*$/im.exec(text)?.[0].trim() ??
    (typeof author === 'object' ? author.name : author) ??
    `the authors of ${name}`
  stanzas.push(
    `Files: usr/lib/tsmilter/${path.slice(directory.length + 1)}/*
Copyright: ${holder}
License: ${String(license).replaceAll(/[()]/g, '')} of ${name.replaceAll(/[@/]/g, '-').replace(/^-/, '')}
Comment: ${name} ${version}
${inText(text || `The package names this licence: ${license}`)}`.replace(
      /\nComment: (.*)\n([^]*)$/,
      '\n$2\nComment: $1',
    ),
  )
}
process.stdout.write(`${stanzas.join('\n\n')}\n`)
