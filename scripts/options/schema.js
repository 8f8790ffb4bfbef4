// config.schema.json: what a configuration takes, for editors and other programs.
import { sentences } from './types.js'

/** Without the links of TSDoc. */
const plain = (said) => sentences(said).replaceAll(/\{@link (\w+)\}/g, '$1')

export function schemaOf({ OPTIONS, GROUPS }) {
  const properties = {}
  for (const option of OPTIONS) {
    const { name, scope, kind, default: usual } = option
    if (scope === 'process') continue
    const said = {
      description: plain(option),
      ...(usual === undefined || typeof usual === 'object' ? {} : { default: usual }),
      ...kind.schema,
    }
    const [group, member] = name.split('.')
    if (member === undefined) properties[name] = said
    else {
      properties[group] ??= {
        description: plain(GROUPS[group]),
        type: 'object',
        properties: {},
        additionalProperties: false,
      }
      properties[group].properties[member] = said
      if (option.required) (properties[group].required ??= []).push(member)
    }
  }
  return JSON.stringify({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Configuration of tsmilter run',
    description:
      'The options that are plain values; filters and logger of defineConfig are code. Written by scripts/options.js.',
    type: 'object',
    properties,
    additionalProperties: false,
  })
}
