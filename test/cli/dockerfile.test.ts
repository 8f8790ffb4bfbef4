import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { sourcePath, temporaryDirectory } from '../conformance/support/program.ts'
import { atEnd } from '../support/resources.ts'
import { connect, field, Running, send } from './support/command.ts'

/** The instructions of a Dockerfile, with continued lines joined. */
function instructions(text: string): [name: string, rest: string][] {
  return text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, name, rest] = /^([A-Z]+) (.*)$/.exec(line)!
      return [name!, rest!]
    })
}

const all = instructions(readFileSync(sourcePath('Dockerfile'), 'utf8'))
/** Of the image itself, without what builds it. */
const image = all.slice(all.findLastIndex(([name]) => name === 'FROM'))
const of = (name: string): string[] =>
  image.filter(([other]) => other === name).map(([, rest]) => rest)
const command = (text: string): string[] => JSON.parse(/\[.*\]/.exec(text)![0]) as string[]

interface Container {
  run(args?: string[], variables?: Record<string, string>): Promise<Running>
  /** by the health check of the image */
  isHealthy(port: string): boolean
}

const addressOf = ({ said }: Running): string => /"addresses":"([^"]+)"/.exec(said)![1]!

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

describe('the Dockerfile', () => {
  /** What the image has, at the same places below a directory. Gives the command of the container. */
  function build(config?: string): Container {
    const root = temporaryDirectory()
    for (const copy of of('COPY')) {
      const words = copy.replace('--from=build ', '').split(' ')
      const target = join(root, words.pop()!)
      for (const word of words) {
        const source = sourcePath(word.replace(/^\/build\//, ''))
        assert.ok(existsSync(source), source)
        const isDirectory =
          word.endsWith('bin') || word.endsWith('dist') || word.endsWith('node_modules')
        const place = isDirectory ? target : join(target, word.replace(/^.*\//, ''))
        mkdirSync(dirname(place), { recursive: true })
        symlinkSync(source, place.replace(/\/$/, ''))
      }
    }
    const link = /^ln -s (\S+) (\S+)$/.exec(of('RUN').join())!
    mkdirSync(join(root, dirname(link[2]!)), { recursive: true })
    symlinkSync(join(root, link[1]!), join(root, link[2]!))
    const cwd = join(root, of('WORKDIR')[0]!)
    mkdirSync(cwd, { recursive: true })
    if (config !== undefined) writeFileSync(join(cwd, 'config.ts'), config)

    // Here the network is not its own.
    const here = (text: string, port: string): string =>
      text.replaceAll(/8890|9464/g, port).replaceAll('0.0.0.0', '127.0.0.1')
    const env: Record<string, string> = {
      PATH: `${join(root, dirname(link[2]!))}:${dirname(process.execPath)}:${process.env['PATH']}`,
    }
    for (const pair of of('ENV').join(' ').split(/\s+/)) {
      const [name, value] = pair.split('=')
      env[name!] = here(value!, '0')
    }
    return {
      async run(
        args = config === undefined ? command(of('CMD')[0]!) : ['config.ts'],
        variables = {},
      ) {
        Object.assign(env, variables)
        const [program, ...words] = [...command(of('ENTRYPOINT')[0]!), ...args]
        const child = spawn(program!, words, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
        await once(child, 'spawn')
        const running = new Running(child)
        atEnd(() => running[Symbol.asyncDispose]())
        await running.says(/"msg":"ready"/)
        return running
      },
      isHealthy(port) {
        const [check, ...words] = command(of('HEALTHCHECK')[0]!).map((w) => here(w, port))
        return spawnSync(check!, words, { cwd, env }).status === 0
      },
    }
  }

  it('makes an image whose commands exist, are healthy, and stop at SIGTERM', async () => {
    const container = build(CONFIG)
    const running = await container.run()
    const address = addressOf(running)
    const port = /\d+/.exec(address)![0]
    assert.equal(container.isHealthy(port), true)
    assert.equal(field(await send(address), 'X-Seen'), 'in a container')
    await running.says(/"msg":"message accepted"/)
    for (const line of running.said.trim().split('\n')) JSON.parse(line)
    assert.equal(await running.stop(), 0)
    assert.equal(container.isHealthy(port), false)
    assert.deepEqual(of('USER'), ['node'])
  })

  it('runs a configuration that changes no mail, if it gets none', async () => {
    const running = await build().run()
    await using client = await connect(addressOf(running))
    const message = 'From: a@example.org\r\nSubject: x\r\n\r\nHello\r\n'
    const outcome = await client.deliver({ message })
    assert.equal(outcome.verdict, 'accept')
    assert.equal(String(outcome.message), message)
  })

  it('listens where a configuration says', async () => {
    const path = join(temporaryDirectory(), 'filter.sock')
    const container = build(CONFIG.replace('filters:', `listen: 'unix:${path}', filters:`))
    const running = await container.run()
    assert.equal(addressOf(running), `unix:${path}`)
    assert.equal(field(await send(`unix:${path}`), 'X-Seen'), 'in a container')
  })

  it('takes options alone', async () => {
    const running = await build(CONFIG).run(['--workers', '2'], {
      TSMILTER_FILTERS: 'config.ts',
    })
    assert.match(running.said, /"workers":2/)
    assert.equal(field(await send(addressOf(running)), 'X-Seen'), 'in a container')
  })

  it('is healthy though its health check may not connect', async () => {
    const telemetry = `127.0.0.1:${await freePort()}`
    const container = build(CONFIG.replace('filters:', "allow: '192.0.2.1', filters:"))
    const running = await container.run(undefined, { TSMILTER_TELEMETRY: telemetry })
    const port = /\d+/.exec(addressOf(running))![0]
    assert.equal(container.isHealthy(port), true)
    await running.stop()
    assert.equal(container.isHealthy(port), false)
  })

  it('makes each optional package a part of the image', () => {
    const { peerDependencies } = JSON.parse(
      readFileSync(sourcePath('package.json'), 'utf8'),
    ) as {
      peerDependencies: Record<string, string>
    }
    const build = all.flatMap(([name, rest]) => (name === 'RUN' ? [rest] : [])).join('\n')
    for (const name of Object.keys(peerDependencies)) {
      assert.ok(build.includes(`npm pkg set dependencies.${name}=`), name)
      assert.ok(build.includes(`npm pkg delete devDependencies.${name} `), name)
    }
  })

  it('is given by .dockerignore what it compiles', () => {
    const given = readFileSync(sourcePath('.dockerignore'), 'utf8').matchAll(/^!(.*)$/gm)
    const names = [...given].map(([, name]) => name!)
    for (const name of names) assert.ok(existsSync(sourcePath(name)), name)
    for (const name of ['bin', 'src', 'package-lock.json', 'tsconfig.dist.json']) {
      assert.ok(names.includes(name), name)
    }
  })
})

const CONFIG = `
import { defineConfig, defineFilter, type Mail } from 'tsmilter'
const filter = defineFilter({
  name: 'seen',
  message(mail: Mail) {
    mail.headers.append('X-Seen', 'in a container')
  },
})
export default defineConfig({ filters: [filter] })
`
