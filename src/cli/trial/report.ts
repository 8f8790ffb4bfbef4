/** What has happened to a message, in lines for people, and as data. */
import { printable } from '../../diagnostics/printable.ts'
import type { FilterReport, Played, ReportedLine } from './play.ts'

const oneLine = (text: string): string =>
  printable(text.replaceAll(/\r?\n[ \t]*/g, ' ')).slice(0, 300)

const valueText = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  return /^[\w@.:/+-]+$/.test(text) ? text : JSON.stringify(text)
}

export function logLineText({ level, message, fields, place }: ReportedLine): string {
  const shown = Object.entries(fields)
    .filter(([name]) => name !== 'rule' || place === undefined)
    .map(([name, value]) => `${name}=${valueText(value)}`)
  const rule = place === undefined ? '' : ` (${place})`
  const mark = level === 'info' || level === 'debug' ? '' : `${level}: `
  return oneLine(`${mark}${[message, ...shown].join(' ')}${rule}`)
}

/** A filter in several lines. */
export function filterLines(report: FilterReport, number: number): string[] {
  const lines = [`  ${number}. ${report.name} (${report.place})`]
  if (report.skipped !== undefined) return [...lines, `     ${report.skipped}`]
  for (const { stage, verdict, reply, edits } of report.calls) {
    if (verdict !== 'continue' || edits.length > 0) {
      lines.push(`     ${stage}: ${verdict}${reply === undefined ? '' : ` ${oneLine(reply)}`}`)
    }
    for (const edit of edits) lines.push(`       ${oneLine(edit)}`)
  }
  for (const line of new Set(report.log.map(logLineText))) lines.push(`     ${line}`)
  if (lines.length === 1) {
    lines.push(
      report.calls.length === 0
        ? '     not called: an earlier filter has decided'
        : '     did nothing',
    )
  }
  return lines
}

/** A filter in a few words; an empty text if it did nothing. */
export function filterWords({ name, skipped, calls, log }: FilterReport): string {
  if (skipped !== undefined) return `${name} ${skipped}`
  const done = calls.flatMap(({ stage, verdict, edits }) => [
    ...(verdict === 'continue' ? [] : [`${verdict} at ${stage}`]),
    ...edits.map((edit) => oneLine(edit).slice(0, 60)),
  ])
  const said = log
    .filter(({ level }) => level !== 'debug')
    .map(({ message, fields }) =>
      'reason' in fields ? `${message} (${valueText(fields['reason'])})` : message,
    )
  const words = [...new Set([...said, ...done])]
  return words.length === 0 ? '' : `${name}: ${words.join(', ')}`
}

export const replyText = ({
  verdict,
  reply,
  stage,
}: {
  verdict: string
  reply: string
  stage?: string
}): string => `${verdict}${stage === undefined ? '' : ` at ${stage}`} (${oneLine(reply)})`

/** For `--json`: plain data, bytes as text. */
export const dataOf = ({ message, ...played }: Played): object => ({
  ...played,
  message: message?.toString('latin1'),
})
