/** Whether a domain is in a list of domains; with a dot before it, an entry stands for all domains below it. */
export function domainTest(patterns: readonly string[]): (domain: string) => boolean {
  const exact = new Set(patterns.filter((one) => !one.startsWith('.')))
  const below = patterns.filter((one) => one.startsWith('.'))
  return (domain) => {
    const name = domain.toLowerCase()
    return (
      exact.has(name) || below.some((end) => name.endsWith(end) && name.length > end.length)
    )
  }
}
