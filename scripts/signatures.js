// Writes the blocks of docs/signatures.md from the declarations of the package, which must be built. A block is the
// one behind a comment such as `<!-- serve ServeOptions -->`, and has what these names stand for: all that the root
// exports, and the types and constants they are written with.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { root } from './setup.js'

const PAGE = 'docs/signatures.md'
/** What docs/errors.md is about. */
const ELSEWHERE = /errors/
const BLOCK = /<!-- ((?:\w+ )+)-->\n+```ts\n[^]*?\n?```/g

const declarations = (path) => readFileSync(join(root, 'dist', path), 'utf8')

/** The module of each name that the root exports. */
function exportsOf(index) {
  const modules = new Map()
  for (const [, names, from] of index.matchAll(
    /export (?:type )?\{([^}]*)\} from '\.\/([^']+)\.ts'/g,
  )) {
    for (const name of names.split(',')) {
      const plain = name.replace(/^\s*type /, '').trim()
      if (plain !== '') modules.set(plain, `${from}.d.ts`)
    }
  }
  return modules
}

/** What a name stands for, with its overloads; of a constant that is a type, too, the constant. */
function declarationsOf(name, text) {
  const start = new RegExp(
    `^export (?:declare )?(?:interface|class|function|const|type) ${name}\\b`,
    'gm',
  )
  const found = [...text.matchAll(start)].map(({ index }) => {
    const comment = /\/\*\*(?:(?!\*\/)[^])*\*\/\n$/.exec(text.slice(0, index))?.[0] ?? ''
    return `${comment}${statementAt(text, index)}`
  })
  if (found.length === 0) throw new Error(`${name} is declared nowhere`)
  const constants = found.filter((one) => !/^export type/m.test(one))
  return constants.length > 0 ? constants : found
}

/** From `start` to its end: a semicolon, or a brace that closes what has no semicolon behind it. */
function statementAt(text, start) {
  const block = /^export (?:declare )?(?:interface|class) /.test(text.slice(start, start + 40))
  let depth = 0
  for (const { index, 0: token } of tokensFrom(text, start)) {
    if ('({['.includes(token)) depth++
    else if (')}]'.includes(token) && --depth === 0 && block && token === '}') {
      return text.slice(start, index + 1)
    } else if (token === ';' && depth === 0) return text.slice(start, index + 1)
  }
  throw new Error(`a declaration without an end: ${text.slice(start, start + 60)}`)
}

/** Brackets and semicolons, but for those in comments and strings. */
function* tokensFrom(text, start) {
  const tokens = /\/\*[^]*?\*\/|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|[(){}[\];]/g
  tokens.lastIndex = start
  for (let token = tokens.exec(text); token !== null; token = tokens.exec(text)) {
    if (token[0].length === 1) yield token
  }
}

/** A declaration as the page has it: comments of one line, nothing that is for the library. */
function shown(declaration) {
  const body = declaration.replace(/^export (?:declare )?/m, '').replace(/^ *#private;\n/m, '')
  const open = /^(?:interface|class) [^]*?\{\n/m.exec(body)
  if (open === null) return withShortComments(body)
  const inside = open.index + open[0].length
  const members = []
  let from = inside
  let depth = 0
  for (const { index, 0: token } of tokensFrom(body, inside)) {
    if ('({['.includes(token)) depth++
    else if (')}]'.includes(token)) depth--
    else if (depth === 0) {
      members.push(body.slice(from, index + 1))
      from = index + 1
    }
  }
  const own = members.filter(
    (member) =>
      !/^\s*\/\*\*\s*(?:\* )?For the library|^\s*(?:private|protected|constructor|static)\b/.test(
        member,
      ),
  )
  return withShortComments([body.slice(0, inside), ...own, '\n}'].join(''))
}

/** Comments with their first sentence, and with the tags that tell what is not in the types. */
const withShortComments = (text) =>
  text.replaceAll(/\/\*\*([^]*?)\*\//g, (_whole, comment) => {
    const lines = comment.replaceAll(/^[ \t]*\* ?/gm, '').trim()
    const [prose, ...tags] = lines.split(/(?:^|\s)@(?=default|throws|param)/)
    const words = oneLine(prose.split(/\n\s*\n/)[0])
    const said = [
      ...(words === '' ? [] : [firstSentence(words)]),
      ...tags.filter((tag) => !tag.startsWith('param')).map((tag) => `@${oneLine(tag)}`),
    ]
    const short = said.join(' ')
    if (short.length <= WIDTH) return `/** ${short} */`
    return ['/**', ...said.flatMap(wrapped).map((line) => ` * ${line}`), ' */'].join('\n')
  })

const oneLine = (text) =>
  text
    .replaceAll(/\{@link ([^}]+)\}/g, '`$1`')
    .replaceAll(/\s+/g, ' ')
    .trim()

const firstSentence = (text) =>
  (/^.*?(?<!\.)\.(?= [A-Z`])/.exec(text)?.[0] ?? text).replace(/:$/, '.')

const WIDTH = 84

function wrapped(text) {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line === '') lines[lines.length - 1] = word
    else if (line.length + word.length < WIDTH) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}

const modules = exportsOf(declarations('index.d.ts'))
/** Where any other name is declared. */
const others = new Map()
for (const path of readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })) {
  if (!path.endsWith('.d.ts') || path.endsWith('index.d.ts')) continue
  const names = /^export (?:declare )?(?:interface|class|function|const|type) (\w+)/gm
  for (const [, name] of declarations(path).matchAll(names)) {
    others.set(name, [...new Set([...(others.get(name) ?? []), path])])
  }
}
function moduleOf(name) {
  const exported = modules.get(name)
  if (exported !== undefined) return exported
  const paths = others.get(name) ?? []
  if (paths.length === 1) return paths[0]
  throw new Error(`${PAGE}: ${name} is declared in ${paths.join(' and ') || 'no module'}`)
}
const file = join(root, PAGE)
const page = readFileSync(file, 'utf8')
const named = new Set()
const text = page.replaceAll(BLOCK, (_block, list) => {
  const names = list.trim().split(' ')
  const code = names.flatMap((name) => {
    named.add(name)
    return declarationsOf(name, declarations(moduleOf(name))).map(shown)
  })
  return `<!-- ${list}-->\n\n\`\`\`ts\n${code.join('\n\n')}\n\`\`\``
})
const missing = [...modules]
  .filter(([, module]) => !ELSEWHERE.test(module))
  .map(([name]) => name)
  .filter((name) => !named.has(name))
if (missing.length > 0) throw new Error(`${PAGE} leaves out ${missing.join(', ')}`)
const written = await format(text, { ...(await resolveConfig(file)), filepath: file })
if (process.argv.includes('--check')) {
  if (written !== page) throw new Error(`${PAGE}: run node scripts/signatures.js`)
} else writeFileSync(file, written)
