/** The text file that `tsmilter init` writes: at most 30 lines, of which each filter has two or a few. */

/** What the file says. All values are checked, so they need no quotes in YAML. */
export interface ConfigFacts {
  readonly listen: string
  /** group of the unix socket, if it is one */
  readonly socketGroup: string | undefined
  /** names of {@link STARTERS} */
  readonly filters: readonly string[]
  readonly domain: string
  readonly selector: string
  /** the key, as the file names it */
  readonly keyFile: string
  /** directory of the store; undefined for the memory of each worker */
  readonly store: string | undefined
}

interface Starter {
  readonly lines: (facts: ConfigFacts) => readonly string[]
  /** it signs, so it needs a key */
  readonly signs?: true
  /** it keeps something in a store */
  readonly stores?: true
  /** an optional package without which it cannot be made */
  readonly needs?: 'mailauth'
}

const store = ({ store: path }: ConfigFacts): readonly string[] =>
  path === undefined ? [] : [`      store: { embedded: ${path} }`]
const key = ({ domain, selector, keyFile }: ConfigFacts): string =>
  `      keys: { domain: ${domain}, selector: ${selector}, file: ${keyFile} }`

/** The filters that need no further decision, in the order in which they stand. */
export const STARTERS: Readonly<Record<string, Starter>> = {
  authenticate: {
    needs: 'mailauth',
    lines: () => [
      '  # Checks SPF, DKIM, DMARC and ARC. Read the log before you write policy: reject.',
      '  - authenticate:',
      '      policy: observe',
    ],
  },
  greylist: {
    stores: true,
    lines: (facts) => [
      '  # Defers the first try of mail from clients that are not known.',
      '  - greylist:',
      '      delay: 5m',
      ...store(facts),
    ],
  },
  rateLimit: {
    stores: true,
    lines: (facts) => [
      '  # Limits what a stolen password can send.',
      '  - rateLimit:',
      '      login: { messages: [30/60s, 500/d], recipients: 1000/d }',
      ...store(facts),
    ],
  },
  attachments: {
    lines: () => ['  # Refuses programs, also those in archives.', '  - attachments'],
  },
  externalTag: {
    lines: () => [
      '  # Marks mail from outside in the subject. Leave the option out for X-External alone.',
      '  - externalTag:',
      "      subject: '[EXTERNAL]'",
    ],
  },
  dkimSign: {
    signs: true,
    lines: (facts) => [
      '  # Signs mail of your users. It has to be the last one.',
      '  - dkimSign:',
      key(facts),
    ],
  },
  arcSeal: {
    signs: true,
    lines: (facts) => [
      '  # Seals mail from outside, for those you forward it to.',
      '  - arcSeal:',
      key(facts),
    ],
  },
}

export const configText = (facts: ConfigFacts): string => {
  const { listen, socketGroup, filters } = facts
  return [
    '# Filters of tsmilter. After a change: tsmilter check-config FILE, then systemctl reload tsmilter.',
    '# With "observe: true" below its name, a filter changes nothing, and logs what it would have done.',
    `listen: ${listen}`,
    ...(socketGroup === undefined ? [] : [`unixSocket: { mode: 0660, group: ${socketGroup} }`]),
    'filters:',
    ...Object.entries(STARTERS).flatMap(([name, { lines }]) =>
      filters.includes(name) ? lines(facts) : [],
    ),
    '',
  ].join('\n')
}
