// `npm run bench:chart`: draws the charts of docs/images from the newest results, or from those given.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../scripts/setup.js'
import { digits } from './lib/table.js'

const results = join(root, 'bench', 'results')
const newest = (matches) => {
  const names = readdirSync(results).filter((name) => name.endsWith('.json') && matches(name))
  return names.length > 0 ? join(results, names.toSorted().at(-1)) : undefined
}
const isLinear = (name) => name.startsWith('linear-')
const given = process.argv.slice(2)
// Those of the other commands have a word before the date.
const runs = given[0] ?? newest((name) => /^\d/.test(name) && !name.includes('like-postfix'))
const linear = given[1] ?? newest(isLinear)
const folder = join(root, 'docs', 'images')

const WIDTH = 640
/** This package in one hue, others in greys, servers that do nothing in the lightest. */
const COLOURS = {
  events: '#1668b8',
  objects: '#4a93d6',
  messages: '#0b3d70',
  libmilter: '#666666',
  'libmilter+nodelay': '#777777',
  pymilter: '#888888',
  PMilter: '#999999',
  'floor.c': '#cccccc',
  'floor.js': '#cccccc',
  'floor.js+onread': '#cccccc',
}

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const text = (x, y, words, more = '') =>
  `<text x="${x}" y="${y}" ${more}>${escape(words)}</text>`

/** The background is drawn, so that it can be read on a dark page. */
const svg = (height, title, parts) =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" ` +
      `height="${height}" font-family="sans-serif" font-size="12" fill="#222222" role="img">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n')

/** Bars: messages a second on a unix socket with 20 connections. */
function throughput({ cases }) {
  const [left, right, bar] = [120, 90, 16]
  const parts = []
  let y = 10
  for (const workload of ['noop', 'addheader', 'body']) {
    const shown = cases.filter(
      (one) =>
        one.workload === workload &&
        one.transport === 'unix' &&
        one.connections === 20 &&
        one.messagesPerSecond !== undefined,
    )
    const most = Math.max(...shown.map((one) => one.messagesPerSecond))
    parts.push(text(10, y + 14, workload, 'font-weight="bold"'))
    y += 24
    for (const { server, messagesPerSecond: value } of shown) {
      const width = ((WIDTH - left - right) * value) / most
      parts.push(
        text(left - 8, y + 12, server, 'text-anchor="end"'),
        `<rect x="${left}" y="${y}" width="${width.toFixed(1)}" height="${bar - 3}" fill="${COLOURS[server]}"/>`,
        text((left + width + 6).toFixed(1), y + 11, digits(value)),
      )
      y += bar
    }
    y += 12
  }
  return svg(y, 'Messages a second on one core, unix socket, 20 connections', parts)
}

/** Lines on logarithmic axes: CPU time for a message against its size. */
function growth({ series }) {
  const [columns, height, margin] = [2, 190, { left: 52, right: 12, top: 28, bottom: 34 }]
  const width = WIDTH / columns
  const parts = []
  for (const [index, { unit, lines }] of series.entries()) {
    const x0 = (index % columns) * width + margin.left
    const y0 = Math.floor(index / columns) * height + margin.top
    const [w, h] = [width - margin.left - margin.right, height - margin.top - margin.bottom]
    const points = lines.flatMap((line) => line.points)
    if (points.length === 0) continue
    const [xs, ys] = [points.map((one) => one.n), points.map((one) => one.cpuMicroseconds)]
    // Whole powers of ten, so that a step of the grid is the same factor both ways.
    const range = (values) => [
      Math.floor(Math.log10(Math.min(...values))),
      Math.ceil(Math.log10(Math.max(...values))),
    ]
    const [[xLow, xHigh], [yLow, yHigh]] = [range(xs), range(ys)]
    const x = (n) => (x0 + (w * (Math.log10(n) - xLow)) / (xHigh - xLow)).toFixed(1)
    const y = (us) => (y0 + h - (h * (Math.log10(us) - yLow)) / (yHigh - yLow)).toFixed(1)
    parts.push(text(x0, y0 - 10, `µs of CPU a message, by ${unit}`, 'font-weight="bold"'))
    for (let power = yLow; power <= yHigh; power++) {
      const at = y(10 ** power)
      parts.push(
        `<path d="M${x0} ${at}h${w}" stroke="#dddddd"/>`,
        text(x0 - 6, Number(at) + 4, short(10 ** power), 'text-anchor="end" font-size="10"'),
      )
    }
    for (let power = xLow; power <= xHigh; power++) {
      parts.push(
        text(
          x(10 ** power),
          y0 + h + 14,
          short(10 ** power),
          'text-anchor="middle" font-size="10"',
        ),
      )
    }
    for (const line of lines) {
      if (line.points.length === 0) continue
      const path = line.points.map((one) => `${x(one.n)},${y(one.cpuMicroseconds)}`).join(' ')
      parts.push(
        `<polyline points="${path}" fill="none" stroke="${COLOURS[line.server]}" stroke-width="2"/>`,
      )
    }
  }
  const rows = Math.ceil(series.length / columns)
  const legend = ['libmilter', 'events', 'objects', 'messages']
  for (const [index, server] of legend.entries()) {
    const [x, y] = [margin.left + index * 110, rows * height + 4]
    parts.push(
      `<path d="M${x} ${y}h20" stroke="${COLOURS[server]}" stroke-width="3"/>`,
      text(x + 26, y + 4, server),
    )
  }
  return svg(rows * height + 20, 'CPU time for a message as it grows', parts)
}

const short = (value) =>
  value >= 1e6 ? `${value / 1e6} M` : value >= 1e3 ? `${value / 1e3} k` : `${value}`

function draw(name, source, make) {
  if (source === undefined) {
    console.log(`no results for ${name}`)
    return
  }
  writeFileSync(join(folder, name), make(JSON.parse(readFileSync(source, 'utf8'))))
  console.log(`written: docs/images/${name}`)
}
mkdirSync(folder, { recursive: true })
draw('throughput.svg', runs, throughput)
draw('growth.svg', linear, growth)
