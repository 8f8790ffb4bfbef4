// Tables that are read on a terminal and are Markdown at the same time.

/** The first column is text, the others are numbers. */
export function table(heads, rows) {
  const cells = [heads, ...rows].map((row) => row.map((cell) => `${cell ?? '–'}`))
  const widths = heads.map((_, column) =>
    Math.max(3, ...cells.map((row) => row[column].length)),
  )
  const line = (row) =>
    `| ${row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
      )
      .join(' | ')} |`
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  )
  const [head, ...rest] = cells
  return [line(head), line(rule), ...rest.map(line)].join('\n')
}

/** A number with as many digits as it deserves: 12,345, 123, 4.2, 0.041. */
export function digits(value) {
  if (value === undefined || !Number.isFinite(value)) return undefined
  if (Math.abs(value) < 1) return `${Number(value.toPrecision(2))}`
  const places = Math.abs(value) >= 100 ? 0 : 1
  return value.toLocaleString('en', {
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  })
}

export const ratio = (value, to) =>
  value === undefined || !to ? undefined : (value / to).toFixed(2)
