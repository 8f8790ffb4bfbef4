// src/options/types.ts: the types of options as they are given; src/options/settings.ts: of what becomes of them.

const HEAD = '// Written by scripts/options.js from table.ts: change that, and run it.'

const GIVEN = [
  {
    name: 'FilterFields',
    says: 'Options of a filter, wherever it runs. Times are milliseconds, sizes bytes.',
    scopes: ['filter'],
    fieldOf: asOption,
  },
  {
    name: 'ServerFields',
    says: 'Options of a server that are plain values. Times are milliseconds.',
    scopes: ['server'],
    fieldOf: asOption,
  },
  {
    name: 'ConfigFields',
    says: 'Options of a configuration that are plain values.',
    scopes: ['filter', 'server', 'close', 'run'],
    fieldOf: asConfigured,
  },
]

const SETTINGS = [
  {
    name: 'FilterValues',
    says: 'Options of a filter with nothing left out.',
    scopes: ['filter'],
    fieldOf: asValue,
    grouped: (group) => `Partial<${group.type}>`,
  },
  {
    name: 'ServerValues',
    says: 'Options of a server with nothing left out.',
    scopes: ['server'],
    fieldOf: asValue,
    grouped: (group) => group.type,
  },
  {
    name: 'CloseSettings',
    says: 'How a server stops, with nothing left out.',
    scopes: ['close'],
    fieldOf: asValue,
    flat: true,
  },
  {
    name: 'RunSettings',
    says: 'All options of `tsmilter run`, with nothing left out that has a default. Plain data: it goes between processes.',
    scopes: ['filter', 'server', 'close', 'run'],
    fieldOf: asSetting,
  },
  {
    name: 'ProcessSettings',
    says: 'What is known before any code of a filter is loaded.',
    scopes: ['process'],
    fieldOf: (option) => `readonly ${last(option)}?: ${resolved(option)}`,
  },
]

export function typesOf({ OPTIONS, GROUPS }) {
  return [
    HEAD,
    `import type { Stage } from '../protocol/stages.ts'
import type { Action, DataSize } from '../protocol/constants.ts'
import type { Duration, Size } from './units.ts'
`,
    ...[...choicesOf(OPTIONS)].map(
      ([name, option]) =>
        `/** The option \`${option.name}\`: ${option.text}. */\nexport type ${name} = ${option.kind.schema.enum.map((word) => `'${word}'`).join(' | ')}\n`,
    ),
    ...typedGroups(GROUPS).map(([name, group]) => groupType(name, group, OPTIONS)),
    ...GIVEN.map((one) => interfaceOf(one, OPTIONS, GROUPS)),
  ].join('\n')
}

export function settingsOf({ OPTIONS, GROUPS }) {
  const types = [
    ...choicesOf(OPTIONS).keys(),
    ...typedGroups(GROUPS).map(([, { type }]) => type),
  ]
  const text = SETTINGS.map((one) => interfaceOf(one, OPTIONS, GROUPS)).join('\n')
  const named = types.filter((name) => new RegExp(`\\b${name}\\b`).test(text))
  return [
    HEAD,
    `import type { Stage } from '../protocol/stages.ts'
import type { DataSize } from '../protocol/constants.ts'
import type { ${named.join(', ')} } from './types.ts'
`,
    text,
  ].join('\n')
}

/** The options whose choices are a named type, by that name. */
const choicesOf = (options) =>
  new Map(
    options
      .filter(({ kind }) => kind.schema.enum !== undefined && /^[A-Z]/.test(kind.type))
      .filter(({ kind }) => kind.type !== 'DataSize')
      .map((option) => [option.kind.type, option]),
  )
const typedGroups = (groups) =>
  Object.entries(groups).filter(([, { type }]) => type !== undefined)

/** Of options that programs take. */
function groupType(name, group, options) {
  const members = options.filter((option) => groupOf(option) === name && option.scope !== 'run')
  const fields = members.map((option) =>
    documented(
      sentences(option),
      programDefault(option),
      group.complete
        ? `readonly ${last(option)}: ${option.kind.type}`
        : `readonly ${last(option)}?: ${option.kind.type} | undefined`,
    ),
  )
  return `${documented(sentences(group), undefined, `export interface ${group.type} {`)}\n${fields.join('\n')}\n}\n`
}

function interfaceOf({ name, says, scopes, fieldOf, grouped, flat }, options, groups) {
  const fields = []
  const done = new Set()
  for (const option of options.filter(({ scope }) => scopes.includes(scope))) {
    const group = groupOf(option)
    if (group === undefined || flat) fields.push(fieldOf(option))
    else if (!done.has(group)) {
      done.add(group)
      const members = options.filter(
        (one) => groupOf(one) === group && scopes.includes(one.scope),
      )
      fields.push(groupField(group, groups[group], members, { fieldOf, grouped }))
    }
  }
  return `${documented(says, undefined, `export interface ${name} {`)}\n${fields.join('\n')}\n}\n`
}

function groupField(name, group, members, { fieldOf, grouped }) {
  if (fieldOf === asOption) {
    const type = group.complete ? `Partial<${group.type}>` : group.type
    return documented(
      sentences(group),
      defaults(members, programDefault),
      `readonly ${name}?: ${type} | undefined`,
    )
  }
  if (grouped !== undefined) return `readonly ${name}: ${grouped(group)}`
  const inside = `{\n${members.map(fieldOf).join('\n')}\n}`
  if (fieldOf === asConfigured) {
    return documented(sentences(group), undefined, `readonly ${name}?: ${inside} | undefined`)
  }
  const sure = members.some((option) => option.default !== undefined && !option.unset)
  return `readonly ${name}${sure ? '' : '?'}: ${inside}`
}

function asOption(option) {
  return documented(
    sentences(option),
    programDefault(option),
    `readonly ${last(option)}?: ${option.kind.type} | undefined`,
  )
}

function asConfigured(option) {
  return documented(
    sentences(option),
    option.default === undefined ? undefined : option.kind.show(option.default),
    `readonly ${last(option)}${option.required ? ': ' : '?: '}${option.kind.configType ?? option.kind.type}${option.required ? '' : ' | undefined'}`,
  )
}

function asValue(option) {
  const sure = option.default !== undefined
  return `readonly ${last(option)}${sure ? '' : '?'}: ${option.kind.settingType ?? option.kind.type}`
}

function asSetting(option) {
  const sure = option.default !== undefined && !option.unset
  return `readonly ${last(option)}${sure ? '' : '?'}: ${resolved(option)}`
}

/** What stands for another value is that value. */
const resolved = ({ name, kind }) => {
  if (name === 'workers') return 'number'
  return kind.list ? 'readonly string[]' : (kind.settingType ?? kind.type)
}

const last = ({ name }) => name.slice(name.indexOf('.') + 1)
const groupOf = ({ name }) => (name.includes('.') ? name.split('.')[0] : undefined)

/** As in the help. */
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`

export const sentences = ({ text, more = '', exceeded, code = '' }) => {
  const said = [sentence(text)]
  if (more !== '') said.push(more)
  if (exceeded !== undefined && !(more !== '' && more.includes(code))) {
    said.push(`When it is exceeded: ${exceeded}${code === '' ? '' : ` (${code})`}.`)
  }
  return said.join(' ')
}

/** As a program would write it. */
function programDefault({ default: value, kind }) {
  if (value === undefined) return undefined
  if (typeof value === 'string') return `'${value}'`
  if (typeof value === 'number')
    return ['all', 'none'].includes(kind.show(value)) ? kind.show(value) : String(value)
  return Object.entries(value)
    .map(([name, one]) => (name === 'others' ? one : `${name} ${one}`))
    .join(', ')
}

const defaults = (members, defaultOf) => {
  const said = members
    .filter((option) => defaultOf(option) !== undefined)
    .map((option) => `${last(option)} ${defaultOf(option)}`)
  return said.length === 0 ? undefined : said.join(', ')
}

const WIDTH = 100

export function documented(text, usual, code) {
  const lines = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length > WIDTH) {
      lines.push(line)
      line = ''
    }
    line += line === '' ? word : ` ${word}`
  }
  lines.push(line, ...(usual === undefined ? [] : [`@default ${usual}`]))
  return lines.length === 1
    ? `/** ${lines[0]} */\n${code}`
    : `/**\n${lines.map((one) => ` * ${one}`).join('\n')}\n */\n${code}`
}
