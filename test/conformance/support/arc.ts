/** Hops that seal with ARC: ours, mailauth's, dkimpy's; and what mailauth and dkimpy say of a chain. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { arc, sealMessage } from 'mailauth/lib/arc/index.js'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { compose, defineFilter, type MessageFilter } from '../../../src/index.ts'
import { arcSeal, type ArcSealOptions } from '../../../src/filters/index.ts'
import { deliver, type TestOutcome } from '../../../src/testing/index.ts'
import { DOMAIN, KEYS, RECORDS, resolver } from './dkim.ts'
import { sourcePath, temporaryDirectory } from './program.ts'

/** `pass`, `fail` or `none`, with what mailauth says of it. */
export async function byMailauth(message: Buffer): Promise<{ result: string; why: unknown }> {
  const { arc: data } = await dkimVerify(message, { resolver, strict: true })
  const { status } = await arc(data as never, { resolver, strict: true })
  return { result: status.result, why: status.comment }
}

/** The result, and each seal from the newest on: `pass 2:ok,1:ok`. */
export function byDkimpy(message: Buffer): string {
  const { stdout, stderr } = python(['verify', ...Object.entries(RECORDS).flat()], message)
  return String(stdout).trim() || String(stderr)
}

const python = (args: readonly string[], input: Buffer) =>
  spawnSync(
    '/usr/bin/python3',
    [sourcePath('test', 'conformance', 'support', 'arc.py'), ...args],
    {
      input,
    },
  )

export const AUTHSERV_ID = 'mx.example.test'

/** Stands for the filter that authenticates: it writes what mailauth says of the chain, as the message came. */
export const authenticated = (id: string = AUTHSERV_ID): MessageFilter =>
  defineFilter({
    name: 'authenticated',
    async message(mail) {
      const { result } = await byMailauth(await mail.raw())
      mail.headers.prepend('Authentication-Results', `${id};\r\n\tspf=none; arc=${result}`)
    },
  })

/** What a hop does to a message. */
export const tag: MessageFilter = defineFilter({
  name: 'tag',
  message: (mail) => void (mail.subject = `[\u00e9xtern] ${mail.subject}`),
})

export const OUTSIDE = { client: { hostname: 'out.example', address: '192.0.2.7' } }

export async function ours(
  message: Buffer,
  options: Partial<ArcSealOptions> = {},
  mta: 'postfix' | 'sendmail' = 'postfix',
): Promise<Buffer> {
  const outcome = await hop(message, options, mta)
  assert.deepEqual(outcome.errors, [])
  return Buffer.from(outcome.message!)
}

export const hop = (
  message: Buffer,
  options: Partial<ArcSealOptions> = {},
  mta: 'postfix' | 'sendmail' = 'postfix',
): Promise<TestOutcome> =>
  deliver(
    compose(authenticated(), tag, arcSeal({ authservId: AUTHSERV_ID, keys: KEYS, ...options })),
    { mta, message, ...OUTSIDE },
  )

export async function mailauths(message: Buffer): Promise<Buffer> {
  const { result } = await byMailauth(message)
  const fields = await sealMessage(message, {
    signingDomain: DOMAIN,
    selector: 'r',
    privateKey: KEYS[0]!.privateKey!,
    authResults: `mx2.${DOMAIN}; arc=${result}`,
    cv: result,
  } as never)
  return Buffer.concat([fields, message])
}

let hops = 2

export async function dkimpys(message: Buffer): Promise<Buffer> {
  const { result } = await byMailauth(message)
  const key = join(temporaryDirectory(), 'key')
  writeFileSync(key, KEYS[0]!.privateKey!)
  // It takes all results with its id for those of this hop.
  const id = `mx${++hops}.${DOMAIN}`
  const field = Buffer.from(`Authentication-Results: ${id}; arc=${result}\r\n`)
  const { stdout, stderr } = python(
    ['sign', 'r', DOMAIN, key, id],
    Buffer.concat([field, message]),
  )
  assert.equal(String(stderr), '')
  return stdout
}
