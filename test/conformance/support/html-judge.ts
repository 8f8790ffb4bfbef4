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
/** Pages at once: while one waits for its pictures, others use the processor. */
const TABS = 3
/** For what comes after a document: its pictures, animations and refreshing. */
const SETTLES = 500
const LONGEST = 10_000

/** What waits for the reader in a document. */
interface Use {
  readonly code: number
  readonly pings: number
}

interface Tab {
  readonly call: (method: string, params?: Record<string, unknown>) => Promise<void>
  loaded: () => void
}

/** Shows documents in Chromium. `open`, many `judge`, `close`. */
export class Judge {
  readonly #trap = new Trap()
  #browser: Chromium | undefined
  readonly #tabs: Tab[] = []
  /** A test that took too long is told nothing, but its pages are still being shown. */
  #closed = false
  #last = 0
  /** payloads that ran, be it late */
  readonly #ran = new Set<string>()
  /** by the host of a document */
  readonly #uses = new Map<string, Use>()

  async open(): Promise<void> {
    const browser = new Chromium(await this.#trap.listen())
    this.#browser = browser
    await browser.call('Browser.setDownloadBehavior', { behavior: 'deny' })
    while (this.#tabs.length < TABS) this.#tabs.push(await this.#openTab(browser))
  }

  async #openTab(browser: Chromium): Promise<Tab> {
    const tab: Tab = {
      call: async (method, params = {}) =>
        void (await Promise.race([browser.call(method, params, session), sleep(LONGEST)])),
      loaded: () => {},
    }
    const session = await browser.tab((method, params) => this.#event(tab, method, params))
    await tab.call('Page.enable')
    await tab.call('Runtime.enable')
    await tab.call('Runtime.addBinding', { name: 'report' })
    await tab.call('Page.addScriptToEvaluateOnNewDocument', { source: IN_EVERY_FRAME })
    await tab.call('Emulation.setFocusEmulationEnabled', { enabled: true })
    return tab
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#browser?.close()
    await this.#trap.close()
  }

  #event(tab: Tab, method: string, params: Record<string, unknown>): void {
    if (method === 'Page.loadEventFired') tab.loaded()
    if (method === 'Page.javascriptDialogOpening') {
      void tab.call('Page.handleJavaScriptDialog', { accept: false })
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
    let next = 0
    const showNext = async (tab: Tab): Promise<void> => {
      while (next < documents.length && !this.#closed) {
        const start = next
        next += FRAMES
        await this.#show(tab, hosts.slice(start, next), documents.slice(start, next))
      }
    }
    await Promise.all(this.#tabs.map(showNext))
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
  async #show(tab: Tab, hosts: readonly string[], documents: readonly Shown[]): Promise<void> {
    const frames = hosts.map((host) => `<iframe src="http://${host}/"></iframe>`)
    const page = `p${++this.#last}.test`
    const all = this.#trap.documents
    all.set(page, {
      type: 'text/html',
      bytes: Buffer.from(`<!doctype html>${frames.join('')}`),
    })
    for (const [i, host] of hosts.entries()) all.set(host, documents[i]!.served)
    const loaded = new Promise<void>((resolve) => (tab.loaded = resolve))
    await tab.call('Page.navigate', { url: `http://${page}/` })
    await Promise.race([loaded, sleep(LONGEST)])
    // The documents stay: on a busy machine some are asked for after that, and it is no request of theirs.
    await sleep(SETTLES)
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
