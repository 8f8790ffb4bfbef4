// config.schema.json: what a configuration takes, for editors and other programs.
import { sentences } from './types.js'

/** Without the links of TSDoc. */
const plain = (said) => sentences(said).replaceAll(/\{@link (\w+)\}/g, '$1')

export function schemaOf({ OPTIONS, GROUPS }, filters) {
  const properties = { filters }
  for (const option of OPTIONS) {
    const { name, kind, default: usual } = option
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
    title: 'Configuration of tsmilter run in a text file',
    description:
      'A configuration of defineConfig has the same options, but for logLevel, logFormat, telemetry, pidFile, user and group; its filters are code. Written by scripts/options.js.',
    type: 'object',
    properties,
    additionalProperties: false,
  })
}
