import { setTimeout as sleep } from 'node:timers/promises'
import { Chromium } from './chromium.ts'
import { Trap, type Request, type Served } from './trap.ts'

/** What a browser does with a document. */
export interface Verdict {
  /** a script ran, or the browser has one that runs when a link, a form or a handler is used */
  readonly ran: boolean
  /** what it asked for, beside the document; or would where a link is used */
  readonly requests: readonly Request[]
}

export interface Shown {
  /** of the payload, as its scripts and addresses name it: `hit(7)`, `t7.test` */
  readonly id: number
  readonly served: Served
}

/** Documents at once, each in a frame and an origin of its own: a page with few costs as much as one with many. */
const FRAMES = 24
/** For what comes after a document: its pictures, animations and refreshing. */
const SETTLES = 500
const LONGEST = 10_000

/** What waits for the reader in a document. */
interface Use {
  readonly code: number
  readonly pings: number
}

/** Shows documents in Chromium. `open`, many `judge`, `close`. */
export class Judge {
  readonly #trap = new Trap()
  #browser!: Chromium
  #session = ''
  #loaded = (): void => {}
  #last = 0
  /** payloads that ran, be it late */
  readonly #ran = new Set<string>()
  /** by the host of a document */
  readonly #uses = new Map<string, Use>()

  async open(): Promise<void> {
    this.#browser = new Chromium(await this.#trap.listen())
    await this.#browser.call('Browser.setDownloadBehavior', { behavior: 'deny' })
    this.#session = await this.#browser.tab((method, params) => this.#event(method, params))
    await this.#call('Page.enable')
    await this.#call('Runtime.enable')
    await this.#call('Runtime.addBinding', { name: 'report' })
    await this.#call('Page.addScriptToEvaluateOnNewDocument', { source: IN_EVERY_FRAME })
    await this.#call('Emulation.setFocusEmulationEnabled', { enabled: true })
  }

  async close(): Promise<void> {
    await this.#browser.close()
    await this.#trap.close()
  }

  async #call(method: string, params: Record<string, unknown> = {}): Promise<void> {
    await Promise.race([this.#browser.call(method, params, this.#session), sleep(LONGEST)])
  }

  #event(method: string, params: Record<string, unknown>): void {
    if (method === 'Page.loadEventFired') this.#loaded()
    if (method === 'Page.javascriptDialogOpening') {
      void this.#call('Page.handleJavaScriptDialog', { accept: false })
    }
    if (method !== 'Runtime.bindingCalled') return
    const [what, host, code, pings] = String(params['payload']).split(' ')
    if (what !== 'use') this.#ran.add(what!)
    else this.#uses.set(host!, { code: Number(code), pings: Number(pings) })
  }

  /** In the order of the documents; whatever is seen until all are done counts. */
  async judge(documents: readonly Shown[]): Promise<Verdict[]> {
    const { requests } = this.#trap
    const from = requests.length
    this.#ran.clear()
    const hosts = documents.map(() => `d${++this.#last}.test`)
    for (let i = 0; i < documents.length; i += FRAMES) {
      const end = i + FRAMES
      await this.#show(hosts.slice(i, end), documents.slice(i, end))
    }
    const seen = requests.slice(from)
    return documents.map(({ id }, i) => {
      const host = hosts[i]!
      const trap = `t${id}.test`
      const { code, pings } = this.#uses.get(host) ?? { code: 0, pings: 0 }
      const own = seen.filter((one) => one.host === host || one.host === trap)
      return {
        ran: code > 0 || this.#ran.has(String(id)),
        requests: pings > 0 ? [...own, { host: trap, path: 'ping' }] : own,
      }
    })
  }

  /** A page with the documents in frames. */
  async #show(hosts: readonly string[], documents: readonly Shown[]): Promise<void> {
    const frames = hosts.map((host) => `<iframe src="http://${host}/"></iframe>`)
    const page = `p${++this.#last}.test`
    const all = this.#trap.documents
    all.set(page, {
      type: 'text/html',
      bytes: Buffer.from(`<!doctype html>${frames.join('')}`),
    })
    for (const [i, host] of hosts.entries()) all.set(host, documents[i]!.served)
    const loaded = new Promise<void>((resolve) => (this.#loaded = resolve))
    await this.#call('Page.navigate', { url: `http://${page}/` })
    await Promise.race([loaded, sleep(LONGEST)])
    await sleep(SETTLES)
    all.clear()
  }
}

/**
 * What payloads call; and where a document is loaded, what waits there for the reader: handlers that the
 * browser took for code, links and forms whose address is code as it reads them, and pings.
 */
const IN_EVERY_FRAME = `{
  globalThis.hit = (id) => report(String(id)) ?? 1
  const isCode = (url, base) => {
    try { return new URL(url, base).protocol === 'javascript:' } catch { return false }
  }
  const look = () => {
    let code = 0, pings = 0
    for (const one of document.querySelectorAll('*')) {
      for (const { localName } of [...one.attributes]) {
        if (localName.startsWith('on') && typeof one[localName] === 'function') code++
      }
      const { localName, baseURI } = one
      if (localName === 'a' || localName === 'area') {
        const href = one.href?.animVal ?? one.href
        if (isCode(href, baseURI)) code++
        if (href && one.ping) pings++
      }
      if (localName === 'form' && isCode(one.getAttribute('action'), baseURI)) code++
      if (one.form && one.hasAttribute('formaction') && isCode(one.formAction, baseURI)) code++
    }
    report(['use', location.host, code, pings].join(' '))
  }
  if (/^d\\d+\\.test$/.test(location.host)) addEventListener('load', () => setTimeout(look, 100))
}`
