// `npm run bench:dkim`: dkimSign and authenticate beside opendkim, on one core and on two, with a name server of our own on
// loopback. opendkim checks DKIM alone, authenticate also SPF, DMARC and ARC.
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildPackage } from '../scripts/setup.js'
import { buildLoad, runCommand } from './lib/build.js'
import { startDns } from './lib/dns.js'
import { describeMachine, machine } from './lib/machine.js'
import { load, loadBeside, median, withServer } from './lib/measure.js'
import { cpuSeconds } from './lib/processes.js'
import { saveResult } from './lib/results.js'
import { digits, table } from './lib/table.js'

const { values: options } = parseArgs({
  options: {
    tasks: { type: 'string', default: 'read,sign,verify,all' },
    sizes: { type: 'string', default: '4,100' },
    repetitions: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    'warm-up': { type: 'string', default: '4' },
    node: { type: 'string', default: process.execPath },
    'no-build': { type: 'boolean', default: false },
  },
})

if (!options['no-build']) buildPackage()
buildLoad()
const { dkimSign } = await import('tsmilter/filters')
const { deliver } = await import('tsmilter/testing')

const folder = mkdtempSync(join(tmpdir(), 'tsmilter-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true }))
const file = (name, text) => {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = file('key.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }))
const record = `v=DKIM1;k=rsa;p=${publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`
// With a name server of its own (ResolverConfiguration), opendkim 2.11 ends under load: its threads read that file at the
// same time. So it has the key in a file, and asks nobody.
const published = file('keys', `bench._domainkey.example.org ${record}\n`)
const dns = await startDns({
  'bench._domainkey.example.org': record,
  'example.org': 'v=spf1 ip4:192.0.2.0/24 -all',
  '_dmarc.example.org': 'v=DMARC1; p=reject',
})

/** A message of so many kilobytes, header included. */
function messageOf(kilobytes) {
  const header = [
    'Received: from relay.example.org (relay.example.org [192.0.2.7])\r\n\tby mail.example.net (Postfix) with ESMTPS id 4XbT9k2Lqyz1z\r\n\tfor <bob@example.net>; Mon, 30 Nov 2026 08:12:03 +0000 (UTC)',
    'From: Alice Example <alice@example.org>',
    'To: Bob Example <bob@example.net>',
    'Subject: the minutes of the meeting',
    'Date: Mon, 30 Nov 2026 10:12:01 +0200',
    'Message-ID: <20261130081201.4f1d2c@desk.example.org>',
    'In-Reply-To: <20261129170440.77ab01@mail.example.net>',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 7bit',
    'User-Agent: Mozilla Thunderbird',
  ].join('\r\n')
  const line =
    'Thank you for your message; the minutes are below, the next one is in a week.\r\n'
  const count = Math.ceil((kilobytes * 1024 - header.length) / line.length)
  return `${header}\r\n\r\n${line.repeat(count)}`
}

async function signed(message) {
  const filter = dkimSign({ keys: { domain: 'example.org', selector: 'bench', file: key } })
  return (await deliver(filter, { message, authenticated: 'alice' })).message
}

const sizes = options.sizes.split(',').map(Number)
const files = new Map()
for (const size of sizes) {
  const message = messageOf(size)
  files.set(`plain ${size}`, file(`plain-${size}`, message))
  files.set(`signed ${size}`, file(`signed-${size}`, await signed(message)))
}

const common = 'RequireSafeKeys no\nSyslog no\nBackground no\nUMask 000\n'
const configs = {
  sign: file(
    'sign.conf',
    `${common}Mode s\nDomain example.org\nSelector bench\nKeyFile ${key}\nCanonicalization relaxed/relaxed\nInternalHosts 192.0.2.0/24\n`,
  ),
  verify: file('verify.conf', `${common}Mode v\nTestPublicKeys ${published}\n`),
}

const ours = (task, workers) => ({
  name: 'tsmilter',
  command: (node, address) => runCommand(node, address, 'dkim.js', workers),
  env: { BENCH_DKIM: task, BENCH_DKIM_KEY: key, BENCH_DKIM_DNS: `127.0.0.1:${dns.port}` },
})
const opendkim = (task) => ({
  name: 'opendkim',
  command: (_node, address) => [
    'opendkim',
    '-f',
    '-x',
    configs[task],
    '-p',
    address.replace('unix:', 'local:'),
  ],
})

/** What is sent, and what has to come back. */
const TASKS = {
  read: { mail: 'plain', workload: 'any' },
  sign: { mail: 'plain', workload: 'dkim-sign', others: true },
  verify: { mail: 'signed', workload: 'dkim-verify', others: true },
  all: { mail: 'signed', workload: 'dkim-verify' },
}

async function once({ server, cores, task, size }) {
  const { mail, workload } = TASKS[task]
  const generate = cores === 1 ? load : loadBeside
  const pinned = { ...server, allCores: cores > 1 }
  return await withServer(
    pinned,
    task,
    { transport: 'unix', node: options.node },
    async (address, pid) => {
      const message = files.get(`${mail} ${size}`)
      const args = ['-w', workload, '-f', message, '--connections', 20, address]
      const warmUp = server.name === 'tsmilter' ? options['warm-up'] : 0.5
      await generate('--seconds', warmUp, ...args)
      const before = cpuSeconds(pid)
      const report = await generate('--seconds', options.seconds, ...args)
      return {
        messagesPerSecond: report.messagesPerSecond,
        cpuMilliseconds: ((cpuSeconds(pid) - before) * 1e3) / report.allMessages,
        p99: report.latencyMs.p99,
      }
    },
  )
}

const here = machine(options.node)
console.log(`${describeMachine(here)}\n`)
const cases = []
for (const task of options.tasks.split(',')) {
  for (const size of sizes) {
    for (const cores of [1, 2]) {
      cases.push({ task, size, cores, server: ours(task, cores), runs: [] })
      if (TASKS[task].others)
        cases.push({ task, size, cores, server: opendkim(task), runs: [] })
    }
  }
}
// In turn, so that whatever else the machine does meets all of them.
for (let repetition = 0; repetition < Number(options.repetitions); repetition++) {
  for (const one of cases) {
    const run = await once(one)
    one.runs.push(run)
    const { task, size, cores, server } = one
    console.error(
      `${task}, ${size} KB, ${cores} cores, ${server.name}: ${digits(run.messagesPerSecond)}`,
    )
  }
}
dns.close()

const results = cases.map(({ server, runs, ...rest }) => ({
  server: server.name,
  ...rest,
  messagesPerSecond: median(runs.map((run) => run.messagesPerSecond)),
  cpuMilliseconds: median(runs.map((run) => run.cpuMilliseconds)),
  p99: median(runs.map((run) => run.p99)),
  runs,
}))
console.log(
  table(
    ['task', 'KB', 'cores', 'server', 'messages/s', 'CPU ms', 'p99 ms'],
    results.map((one) => [
      one.task,
      one.size,
      one.cores,
      one.server,
      digits(one.messagesPerSecond),
      digits(one.cpuMilliseconds),
      digits(one.p99),
    ]),
  ),
)
saveResult({ date: new Date().toISOString(), machine: here, cases: results }, { kind: 'dkim' })
