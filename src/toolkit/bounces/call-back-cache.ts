/** Keeps the results of call-backs, so that no server is asked twice about an address in a while. */
import { checkNames, wholeNumber } from '../../options/validate.ts'
import { storeKey } from '../../store/store-key.ts'
import { StoreUse, type StoreUseOptions } from '../../store/store-use.ts'
import { MAX_TIME, type CallOptions, type Store } from '../../store/store.ts'
import { failedBounce, type BounceResult } from './bounce-result.ts'
import type { SmtpStep } from '../smtp/send-result.ts'
import type { SmtpFailureReason } from '../smtp/smtp-failure.ts'

/** A cache of your own. If a method throws, so does the call-back. */
export interface CallBackCache {
  /** @param address the domain is in lower case */
  get(
    address: string,
    options: CallOptions,
  ): BounceResult | undefined | Promise<BounceResult | undefined>
  set(address: string, result: BounceResult, options: CallOptions): void | Promise<void>
}

/** A time of 0 keeps nothing. */
export interface StoredCallBackOptions extends Omit<StoreUseOptions, 'name' | 'clock'> {
  readonly store: Store
  /** the name of the use in logs and metrics, and the beginning of its keys. @default 'call-back' */
  readonly name?: string | undefined
  /** Milliseconds for addresses that are taken. @default 604800000 (7 days), as pymilter's address cache */
  readonly ok?: number | undefined
  /** Milliseconds for addresses that were refused with 5yz. @default 86400000 (1 day) */
  readonly refused?: number | undefined
  /** Milliseconds for all else: refused for now, or nobody could be asked. @default 600000 (10 minutes) */
  readonly other?: number | undefined
}

const DAY = 86_400_000

/**
 * A cache in a store, which the workers of a machine, or several machines, share. While the store fails, call-backs go on
 * without a cache under `open`, and are not made under `closed` (they reject with the StoreError).
 *
 *     const cache = storedCallBacks({ store, onFailure: 'closed' })
 *
 * @throws UsageError INVALID_OPTION
 */
export function storedCallBacks(options: StoredCallBackOptions): CallBackCache {
  const { store, name = 'call-back', ok, refused, other, ...use } = options
  checkNames('storedCallBacks', options, [
    'store',
    'name',
    'onFailure',
    'logger',
    'localBytes',
    'ok',
    'refused',
    'other',
  ])
  const times = {
    ok: wholeNumber('ok', ok ?? 7 * DAY, 0, MAX_TIME),
    refused: wholeNumber('refused', refused ?? DAY, 0, MAX_TIME),
    other: wholeNumber('other', other ?? 600_000, 0, MAX_TIME),
  }
  const kept = new StoreUse(store, { ...use, name })
  return {
    async get(address, call) {
      const key = storeKey(name, address)
      const entry = await kept.run((at) => at.get(key, call), undefined)
      return entry === undefined ? undefined : resultOf(address, entry.value)
    },
    async set(address, result, call) {
      const final = result.outcome === 'refused' && result.code >= 500
      const ttl = result.outcome === 'ok' ? times.ok : final ? times.refused : times.other
      if (ttl === 0) return
      const key = storeKey(name, address)
      const value = valueOf(result)
      // Of two that ask at the same time, either may stay.
      await kept.run((at) => at.setIfAbsent(key, value, { ...call, ttl }), value)
    },
  }
}

/** What is kept of a server's text; a value of a store may have 64 KiB, and no lone surrogates. */
const MAX_TEXT = 500

type Kept = readonly [
  outcome: BounceResult['outcome'],
  code?: number,
  enhanced?: string | null,
  text?: string,
  more?: string,
]

function valueOf(result: BounceResult): string {
  if (result.outcome === 'ok') return JSON.stringify(['ok'] satisfies Kept)
  const { outcome, code, enhanced, text } = result
  const more = outcome === 'refused' ? result.step : result.reason
  const kept: Kept = [outcome, code, enhanced ?? null, text.slice(0, MAX_TEXT), more]
  return JSON.stringify(kept).toWellFormed()
}

/** Undefined for a value that something else has written. */
function resultOf(address: string, value: string): BounceResult | undefined {
  let kept: unknown
  try {
    kept = JSON.parse(value)
  } catch {
    return undefined
  }
  const [outcome, code, enhanced, text, more] = Array.isArray(kept) ? (kept as unknown[]) : []
  if (outcome === 'ok') return { outcome }
  const isKept =
    (outcome === 'failed' || outcome === 'refused') &&
    Number.isInteger(code) &&
    (enhanced === null || typeof enhanced === 'string') &&
    typeof text === 'string' &&
    typeof more === 'string'
  if (!isKept) return undefined
  if (outcome === 'failed') return failedBounce(more as SmtpFailureReason, text)
  const refusal = { code: code as number, enhanced: enhanced ?? undefined, text }
  const refused = new Map([[address, refusal]])
  return { outcome, ...refusal, step: more as SmtpStep, refused }
}
