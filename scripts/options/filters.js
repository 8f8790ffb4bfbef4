// What is made of the options of the ready-made filters: src/filters/types.ts, their part of config.schema.json, and a
// table for each filter in the documentation.
import { documented } from './types.js'

/** All shapes: those of the filters, of `when`, and the objects within them, each once. */
export function shapesOf({ READY_FILTERS }, { CONDITION }, { shapesIn }) {
  const shapes = new Map()
  const add = (shape) => {
    if (shapes.get(shape.type) === shape) return
    if (shapes.has(shape.type)) throw new Error(`two shapes make the type ${shape.type}`)
    for (const { kind } of Object.values(shape.fields)) shapesIn(kind).forEach(add)
    shapes.set(shape.type, shape)
  }
  add(CONDITION)
  for (const { shape } of Object.values(READY_FILTERS)) add(shape)
  return [...shapes.values()]
}

/** Types that the options of filters name, and where they are. */
const IMPORTED = {
  Duration: '../options/units.ts',
  Size: '../options/units.ts',
  AddressLookup: './http/address-policy.ts',
  DnsCache: '../toolkit/dns/dns-cache.ts',
  Store: '../store/store.ts',
  Pattern: '../toolkit/patterns/pattern.ts',
  Table: '../toolkit/tables/table.ts',
}

export const filterTypesOf = (shapes) => {
  const text = shapes.flatMap((shape) => [givenOf(shape), settingsOf(shape)]).join('\n')
  const used = new Map()
  for (const [name, file] of Object.entries(IMPORTED)) {
    if (!new RegExp(`\\b${name}\\b`).test(text)) continue
    used.set(file, [...(used.get(file) ?? []), name])
  }
  return [
    '// Written by scripts/options.js from the shapes of the filters (registry.ts): change those, and run it.',
    ...[...used].map(([file, names]) => `import type { ${names.join(', ')} } from '${file}'`),
    '',
    text,
  ].join('\n')
}

const sentence = ({ text, more = '' }) =>
  `${text[0].toUpperCase()}${text.slice(1)}.${more === '' ? '' : ` ${more}`}`

/** The default as it is written in a configuration; lists of many are left to the documentation. */
export const usualOf = ({ kind, default: value }) => {
  if (value === undefined) return undefined
  const shown = kind.show(value)
  return shown.length > 60 ? undefined : shown
}

function givenOf(shape) {
  const name = shape.isEntry ? shape.type : `${shape.type}Options`
  const fields = Object.entries(shape.fields).map(([field, one]) =>
    documented(
      sentence(one),
      usualOf(one) || undefined,
      `readonly ${field}${one.required ? '' : '?'}: ${one.kind.configType ?? one.kind.type}${one.required ? '' : ' | undefined'}`,
    ),
  )
  const about = shape.isEntry
    ? sentence(shape)
    : `Options of \`${shape.name}\`, which ${shape.text}.`
  return `${documented(about, undefined, `export interface ${name} {`)}\n${fields.join('\n')}\n}\n`
}

function settingsOf(shape) {
  const fields = Object.entries(shape.fields).map(
    ([field, { kind, required, default: usual }]) => {
      const sure = required || usual !== undefined
      return `readonly ${field}${sure ? '' : '?'}: ${kind.settingType ?? kind.type}${sure ? '' : ' | undefined'}`
    },
  )
  return `/** {@link ${shape.isEntry ? shape.type : `${shape.type}Options`}}, checked, with defaults. */\nexport interface ${shape.type}Settings {\n${fields.join('\n')}\n}\n`
}

const PATH = { type: 'string', pattern: '^[^\\0]+$' }

/** The entries of the list `filters` in a text file. */
export function filterListSchema({ READY_FILTERS }, { CONDITION }, { schemaOfShape }) {
  const condition = { description: 'Which mail the filter gets.', ...schemaOfShape(CONDITION) }
  const item = (properties, required) => ({
    type: 'object',
    properties: { ...properties, when: condition },
    required,
    additionalProperties: false,
  })
  const path = (description) => ({ description, ...PATH })
  return {
    description: 'The filters, in the order in which they run.',
    type: 'array',
    minItems: 1,
    items: {
      anyOf: [
        ...Object.entries(READY_FILTERS).map(([name, { shape }]) =>
          item({ [name]: { description: sentence(shape), ...schemaOfShape(shape) } }, [name]),
        ),
        item(
          {
            use: path('Path of a module, or name of a package, with a filter of your own.'),
            options: {
              description:
                'What the default export gets, if it is a function that makes a filter.',
            },
          },
          ['use'],
        ),
        {
          type: 'object',
          properties: {
            include: {
              description: 'Path of a file with a list of filters, or several paths.',
              anyOf: [PATH, { type: 'array', items: PATH, minItems: 1 }],
            },
          },
          required: ['include'],
          additionalProperties: false,
        },
      ],
    },
  }
}

/** A row for each option; those of an object within an option come below it. */
export function optionRows(shape, shapesIn, prefix = '') {
  return Object.entries(shape.fields)
    .filter(([, { kind }]) => !kind.code)
    .flatMap(([name, field]) => [
      [
        `\`${prefix}${name}\``,
        shapesIn(field.kind).length === 0
          ? field.kind.takesText
          : `an object${field.kind.list ? ', or a list' : ''}`,
        field.required
          ? 'has to be given'
          : (usualOf(field) ?? (field.default === undefined ? '' : 'see below')),
        field.text,
      ],
      ...[...new Set(shapesIn(field.kind))].flatMap((inner) =>
        optionRows(inner, shapesIn, `${prefix}${name}.`),
      ),
    ])
}
