// The tables of options in the documentation. Each replaces what stands between its two comments.
import { optionRows } from './filters.js'

const code = (text) => (text === '' ? '' : `\`${text}\``)
const usual = ({ kind, default: value }) => (value === undefined ? '' : kind.show(value))

/** By page, and there by the name in the comments. */
export const tables = {
  'docs/running.md': {
    'of tsmilter run': ({ OPTIONS }, { flagOf, variableOf }) =>
      table(
        ['option', 'variable', 'in a configuration', 'takes', 'default', 'what it is'],
        OPTIONS.map((option) => [
          code(flagOf(option)),
          code(variableOf(option)),
          code(option.name),
          option.kind.takesText,
          usual(option),
          option.text,
        ]),
      ),
    'that are bounds': ({ OPTIONS }) =>
      table(
        ['bound', 'default', 'what it is', 'when it is exceeded', 'error code'],
        OPTIONS.filter(({ exceeded }) => exceeded !== undefined).map((option) => [
          code(option.name),
          usual(option),
          option.text,
          option.exceeded,
          code(option.code ?? ''),
        ]),
      ),
    'of serve': ({ OPTIONS }) =>
      table(
        ['option', 'default', 'what it is'],
        OPTIONS.filter(
          ({ scope, exceeded }) =>
            (scope === 'filter' || scope === 'server') && exceeded === undefined,
        ).map((option) => [code(option.name), usual(option), option.text]),
      ),
  },
  'docs/messages.md': {
    limits: ({ OPTIONS }) =>
      table(
        ['limit', 'default', 'what it is', 'when it is exceeded'],
        OPTIONS.filter(({ name }) => name.startsWith('limits.')).map((option) => [
          code(option.name.slice('limits.'.length)),
          usual(option),
          option.text,
          [option.exceeded, code(option.code ?? '')].filter(Boolean).join(', '),
        ]),
      ),
  },
}

/** The tables of the ready-made filters. */
export const filterTables = {
  'docs/arc.md': { 'of arcSeal': 'arcSeal' },
  'docs/authentication.md': { 'of authenticate': 'authenticate' },
  'docs/dkim.md': { 'of dkimSign': 'dkimSign' },
  'docs/ready-made/archive.md': { 'of archive': 'archive' },
  'docs/ready-made/bcc.md': { 'of bcc': 'bcc' },
  'docs/ready-made/attachments.md': { 'of attachments': 'attachments' },
  'docs/ready-made/disclaimer.md': { 'of disclaimer': 'disclaimer' },
  'docs/ready-made/external-tag.md': { 'of externalTag': 'externalTag' },
  'docs/ready-made/header-rules.md': { 'of headerRules': 'headerRules' },
  'docs/configuration.md': { 'of when': 'when' },
  'docs/ready-made/dnsbl.md': { 'of dnsbl': 'dnsbl' },
  'docs/ready-made/greylist.md': { 'of greylist': 'greylist' },
  'docs/ready-made/quarantine.md': { 'of quarantine': 'quarantine' },
  'docs/ready-made/rate-limit.md': { 'of rateLimit': 'rateLimit' },
  'docs/ready-made/recipient-check.md': { 'of recipientCheck': 'recipientCheck' },
  'docs/ready-made/rewrite.md': { 'of rewrite': 'rewrite' },
  'docs/ready-made/scan.md': { 'of scan': 'scan' },
  'docs/ready-made/sender-acl.md': { 'of senderAcl': 'senderAcl' },
  'docs/ready-made/webhook.md': { 'of webhook': 'webhook' },
}

export const filterTable = (shape, shapesIn) =>
  table(['option', 'takes', 'default', 'what it is'], optionRows(shape, shapesIn))

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')

/** The page with one of its tables replaced. */
export function withTable(page, name, text) {
  const [start, end] = [`<!-- options ${name} -->`, '<!-- end of options -->']
  const from = page.indexOf(start)
  const to = page.indexOf(end, from)
  if (from === -1 || to === -1) throw new Error(`there is no ${start} ... ${end}`)
  return `${page.slice(0, from + start.length)}\n\n${text}\n\n${page.slice(to)}`
}
