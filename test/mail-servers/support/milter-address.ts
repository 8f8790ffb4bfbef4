/** A filter's address, as libmilter writes it. */
export type MilterAddress =
  | { readonly family: 'inet' | 'inet6'; readonly host: string; readonly port: number }
  | { readonly family: 'unix'; readonly path: string }

/** Reads `inet:PORT@HOST`, `inet6:PORT@HOST`, `unix:/path` or `local:/path`. */
export function parseMilterAddress(spec: string): MilterAddress {
  const unix = /^(?:unix|local):(\/.+)$/.exec(spec)
  if (unix) return { family: 'unix', path: unix[1]! }
  const inet = /^(inet6?):(\d+)@\[?([^\]]+)\]?$/.exec(spec)
  if (!inet) throw new Error(`not the address of a filter: "${spec}"`)
  const family = inet[1] === 'inet6' ? 'inet6' : 'inet'
  return { family, host: inet[3]!, port: Number(inet[2]) }
}
