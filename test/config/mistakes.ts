/** Mistakes in a text file, with what is said of each: line, column, what is wrong and what to write. */

/** Filters without a mistake. */
const FILTERS =
  'filters:\n  - dkimSign: {keys: {domain: example.org, selector: s1, file: key.pem}}\n'
/** A filter without a mistake, to which options can be added. */
const FILTER =
  'filters:\n  - dkimSign:\n      keys: {domain: example.org, selector: s1, file: key.pem}\n'

/** name, text, the beginning of each line; of the files of the test, DIR is the folder */
export const MISTAKES: readonly (readonly [
  name: string,
  text: string,
  said: readonly string[],
])[] = [
  [
    'an option that is misspelt',
    `lisen: inet:1@localhost\n${FILTERS}`,
    ['1:1: lisen is not an option; did you mean listen?'],
  ],
  [
    'an option in snake case',
    `max_connections: 5\n${FILTERS}`,
    ['1:1: max_connections is not an option; write maxConnections:'],
  ],
  [
    'a flag of the command line',
    `stop-deadline: 5s\n${FILTERS}`,
    ['1:1: stop-deadline is not an option; write "stop:" and, indented below it, "deadline:"'],
  ],
  [
    'a variable of the environment',
    `TSMILTER_MAX_MEMORY: 64M\n${FILTERS}`,
    ['1:1: TSMILTER_MAX_MEMORY is not an option; write maxMemory:'],
  ],
  [
    'a member of a group at the top',
    `idle: 5s\n${FILTERS}`,
    ['1:1: idle is not an option here, but inside of timeouts: indent it below "timeouts:"'],
  ],
  [
    'a member of two groups at the top',
    `deadline: 5s\n${FILTERS}`,
    [
      '1:1: deadline is not an option here, but inside of stop and reload: indent it below "stop:"',
    ],
  ],
  [
    'an option of a group that is misspelt',
    `timeouts:\n  idel: 5s\n${FILTERS}`,
    ['2:3: timeouts.idel is not an option of timeouts; did you mean idle?'],
  ],
  [
    'a time without a unit',
    `timeouts:\n  idle: 300\n${FILTERS}`,
    ['2:9: timeouts.idle takes a time with a unit: write 300s for seconds, or 300ms'],
  ],
  [
    'a time without a unit, in quotes',
    `deadlines: {eom: "120"}\n${FILTERS}`,
    ['1:18: deadlines.eom takes a time with a unit: write 120s for seconds, or 120ms'],
  ],
  [
    'the delay of postgrey, in seconds',
    'filters:\n  - greylist:\n      delay: 300\n',
    ['3:14: delay takes a time with a unit: write 300s for seconds, or 300ms'],
  ],
  [
    'a secret in the place of a time',
    `timeouts:\n  idle: !env SECRET\n${FILTERS}`,
    ['2:14: timeouts.idle takes a time such as'],
  ],
  [
    'a group with a value',
    `timeouts: 5s\n${FILTERS}`,
    ['1:11: timeouts takes an object with idle, frame, write; it got "5s"'],
  ],
  [
    'a group with a list',
    `timeouts: [5s]\n${FILTERS}`,
    [`1:11: timeouts takes an object with idle, frame, write; it got [ '5s' ]`],
  ],
  [
    'an option of another program',
    `KeyTable: /etc/x\n${FILTERS}`,
    ['1:1: KeyTable is not an option.'],
  ],
  [
    'an option of a filter at the top',
    `selector: s1\n${FILTERS}`,
    ['1:1: selector is not an option.'],
  ],
  [
    'a filter at the top',
    `dkimSign: {}\n${FILTERS}`,
    ['1:1: dkimSign is a filter: write it in the list filters, as "- dkimSign:"'],
  ],
  [
    'use at the top',
    `use: ./x.js\n${FILTERS}`,
    ['1:1: use belongs in the list filters, as "- use:"'],
  ],
  [
    'when at the top',
    `when: {direction: local}\n${FILTERS}`,
    ['1:1: when belongs in the list filters, as "- NAME: ..., when:"'],
  ],
  [
    'code in a text file',
    `logger: pino\n${FILTERS}`,
    ['1:1: logger is code: write a module with defineConfig, or use logLevel and logFormat'],
  ],
  [
    'a number in words',
    `workers: many\n${FILTERS}`,
    [
      '1:10: workers takes a whole number from 1 to 1024, or auto for one for each CPU; it got "many"',
    ],
  ],
  [
    'a number that is too low',
    `workers: 0\n${FILTERS}`,
    [
      '1:10: workers takes a whole number from 1 to 1024, or auto for one for each CPU; it got 0',
    ],
  ],
  [
    'a number that is too high',
    `workers: 5000\n${FILTERS}`,
    [
      '1:10: workers takes a whole number from 1 to 1024, or auto for one for each CPU; it got 5000',
    ],
  ],
  [
    'a fraction',
    `maxConnections: 1.5\n${FILTERS}`,
    ['1:17: maxConnections takes a whole number, 1 or more; it got 1.5'],
  ],
  [
    'a negative number',
    `maxEdits: -1\n${FILTERS}`,
    ['1:11: maxEdits takes a whole number, 1 or more; it got -1'],
  ],
  [
    'a number with separators',
    `maxEdits: 1_000\n${FILTERS}`,
    ['1:11: maxEdits takes a whole number, 1 or more; it got "1_000"'],
  ],
  [
    'true for a number',
    `workers: true\n${FILTERS}`,
    [
      '1:10: workers takes a whole number from 1 to 1024, or auto for one for each CPU; it got true',
    ],
  ],
  [
    'a list for a number',
    `workers: [1, 2]\n${FILTERS}`,
    [
      '1:10: workers takes a whole number from 1 to 1024, or auto for one for each CPU; it got [ 1, 2 ]',
    ],
  ],
  [
    'nothing',
    `listen:\n${FILTERS}`,
    [
      '1:8: listen has no value; it takes inet:PORT@HOST, inet6:PORT@HOST, unix:PATH or fd:N, or a list',
    ],
  ],
  [
    'an empty list',
    `listen: []\n${FILTERS}`,
    [
      '1:9: listen takes inet:PORT@HOST, inet6:PORT@HOST, unix:PATH or fd:N, or a list; it got []',
    ],
  ],
  [
    'an address without a host',
    `listen: "8890"\n${FILTERS}`,
    [
      `1:9: listen takes inet:PORT@HOST, inet6:PORT@HOST, unix:PATH or fd:N, or a list: cannot listen on "8890": a port alone is written 'inet:8890'`,
    ],
  ],
  [
    'a number for an address',
    `listen: 8890\n${FILTERS}`,
    [
      '1:9: listen takes inet:PORT@HOST, inet6:PORT@HOST, unix:PATH or fd:N, or a list; it got 8890',
    ],
  ],
  [
    'an address of a kind that is not known',
    `listen: tcp:8890\n${FILTERS}`,
    [
      `1:9: listen takes inet:PORT@HOST, inet6:PORT@HOST, unix:PATH or fd:N, or a list: cannot listen on "tcp:8890": host and port are written 'inet:8890@tcp'`,
    ],
  ],
  [
    'a wrong address in a list',
    `listen:\n  - inet:8890@localhost\n  - unix:\n${FILTERS}`,
    [
      `2:3: listen takes inet:PORT@HOST, inet6:PORT@HOST, unix:PATH or fd:N, or a list: cannot listen on {"unix":null}: it is empty; write, for example, 'inet:8890@localhost' or 'unix:/run/filter.sock'`,
    ],
  ],
  [
    'a time without a known unit',
    `timeouts: {idle: 5 minutes}\n${FILTERS}`,
    [
      '1:18: timeouts.idle takes a time such as 500ms, 30s, 5m or 1h, 1ms or more, at most 596h; it got "5 minutes"',
    ],
  ],
  [
    'a time that is too long',
    `hangTimeout: 900h\n${FILTERS}`,
    [
      '1:14: hangTimeout takes a time such as 500ms, 30s, 5m or 1h, 1ms or more, at most 596h; it got "900h"',
    ],
  ],
  [
    'a time of 0',
    `timeouts: {write: 0}\n${FILTERS}`,
    [
      '1:19: timeouts.write takes a time such as 500ms, 30s, 5m or 1h, 1ms or more, at most 596h; it got 0',
    ],
  ],
  [
    'a size with a wrong unit',
    `maxMemory: 64MB\n${FILTERS}`,
    [
      '1:12: maxMemory takes bytes (1M or more), or a size such as 64K, 16M or 1G; it got "64MB"',
    ],
  ],
  [
    'a size that is too small',
    `maxMemory: 5K\n${FILTERS}`,
    ['1:12: maxMemory takes bytes (1M or more), or a size such as 64K, 16M or 1G; it got "5K"'],
  ],
  [
    'a mode that is not octal',
    `unixSocket: {mode: "0999"}\n${FILTERS}`,
    ['1:20: unixSocket.mode takes octal digits, such as 0660; it got "0999"'],
  ],
  [
    'a mode with more bits',
    `unixSocket: {mode: 01777}\n${FILTERS}`,
    ['1:20: unixSocket.mode takes octal digits, such as 0660; it got "01777"'],
  ],
  [
    'a stage that does not exist',
    `deadlines: {eoom: 5s}\n${FILTERS}`,
    [
      '1:12: deadlines takes stages: negotiate, connect, helo, envfrom, envrcpt, data, header, eoh, body, eom, abort, close, unknown; it got "eoom"; did you mean eom?',
    ],
  ],
  [
    'a time of a stage that is wrong',
    `deadlines: {eom: long}\n${FILTERS}`,
    [
      '1:18: deadlines.eom takes a time such as 500ms, 30s, 5m or 1h, at most 596h; it got "long"',
    ],
  ],
  [
    'an answer that is misspelt',
    `onError: tempfial\n${FILTERS}`,
    [
      '1:10: onError takes tempfail, reject, continue or accept; it got "tempfial"; did you mean tempfail?',
    ],
  ],
  [
    'an answer that is not possible',
    `overload: reject\n${FILTERS}`,
    ['1:11: overload takes tempfail or accept; it got "reject"'],
  ],
  [
    'an action that is misspelt',
    `actions: [ADDHDR]\n${FILTERS}`,
    [
      '1:10: actions takes all, none, or some of ADDHDRS, CHGBODY, ADDRCPT, DELRCPT, CHGHDRS, QUARANTINE, CHGFROM, ADDRCPT_PAR, SETSYMLIST, with commas between them; it got "ADDHDR"; did you mean ADDHDRS?',
    ],
  ],
  [
    'a level of the log',
    `logLevel: warning\n${FILTERS}`,
    ['1:11: logLevel takes debug, info, warn, error or silent; it got "warning"'],
  ],
  [
    'an address for HTTP',
    `telemetry: http://localhost:9090/\n${FILTERS}`,
    [
      '1:12: telemetry takes HOST:PORT, or just a port on the loopback address; it got "http://localhost:9090/"',
    ],
  ],
  [
    'a user that cannot be',
    `user: [filter]\n${FILTERS}`,
    [`1:7: user takes a name, or a number from 0 to 4294967294; it got [ 'filter' ]`],
  ],
  [
    'a network with host bits missing',
    `allow: 10.1\n${FILTERS}`,
    [
      '1:8: allow takes IP addresses and networks, such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32, or a list; it got 10.1',
    ],
  ],
  [
    'a name for a network',
    `allow: [localhost]\n${FILTERS}`,
    [
      '1:8: allow takes IP addresses and networks, such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32, or a list; it got "localhost"',
    ],
  ],
  [
    'a field name with a colon',
    `logContent: "To:"\n${FILTERS}`,
    [
      '1:13: logContent takes recipients, or the name of a header field, or a list; it got "To:"',
    ],
  ],
  [
    'half of tls',
    `tls: {cert: key.pem}\n${FILTERS}`,
    ['1:6: tls needs key: private key of the certificate'],
  ],
  [
    'a file of tls that is missing',
    `tls: {cert: cert.pem, key: key.pem}\n${FILTERS}`,
    ['1:13: tls.cert names DIR/cert.pem, which does not exist'],
  ],
  [
    'a directory for a file',
    `tls: {cert: ., key: key.pem}\n${FILTERS}`,
    ['1:13: tls.cert names DIR, which is not a file'],
  ],
  ['no filters', `workers: 2\n`, ['1:1: needs filters: write "filters:" with a list']],
  [
    'filters with nothing',
    `filters:\n`,
    ['1:9: filters takes a list: begin each filter with "- ", as "- NAME:"'],
  ],
  [
    'filters without entries',
    `filters: []\n`,
    ['1:1: filters has no filter: write at least one "- NAME:"'],
  ],
  [
    'filters that are not a list',
    `filters:\n  dkimSign:\n    keys: []\n`,
    ['2:3: filters takes a list: begin each filter with "- ", as "- dkimSign:"'],
  ],
  [
    'a filter that is misspelt',
    `filters:\n  - dkimSing:\n      keys: []\n`,
    ['2:5: dkimSing is not a ready-made filter; did you mean dkimSign?'],
  ],
  [
    'a filter alone that is misspelt',
    `filters:\n  - dkimsing\n`,
    ['2:5: dkimsing is not a ready-made filter; did you mean dkimSign?'],
  ],
  [
    'a filter of another program',
    `filters:\n  - opendkim: {}\n`,
    ['2:5: opendkim is not a ready-made filter.'],
  ],
  [
    'an entry with nothing',
    `filters:\n  -\n`,
    ['2:4: is not a filter: write "- NAME:" with its options indented below it'],
  ],
  [
    'an entry that is a number',
    `filters:\n  - 5\n`,
    ['2:5: is not a filter: write "- NAME:" with its options indented below it'],
  ],
  [
    'an entry that is a list',
    `filters:\n  - [dkimSign]\n`,
    ['2:5: is not a filter: write "- NAME:" with its options indented below it'],
  ],
  [
    'an entry with a condition only',
    `filters:\n  - when: {direction: local}\n`,
    ['2:5: is an entry without a filter: write "- NAME:" with one of '],
  ],
  [
    'two filters in one entry',
    `${FILTER}    use: ./own.js\n`,
    ['4:5: use is a second filter in one entry: begin it with "- " of its own'],
  ],
  [
    'options that are not indented',
    `filters:\n  - dkimSign:\n    keys: {domain: example.org, selector: s1, file: key.pem}\n`,
    ['3:5: keys is an option of dkimSign: indent it further than dkimSign'],
  ],
  [
    'options beside a ready-made filter',
    `${FILTER}    options: {}\n`,
    ['4:5: options is for filters of "use": indent its content below dkimSign'],
  ],
  [
    'something else beside a filter',
    `${FILTER}    wehn: {direction: local}\n`,
    ['4:5: wehn cannot stand beside dkimSign; did you mean when? There can be: dkimSign, when'],
  ],
  [
    'a filter without what it needs',
    `filters:\n  - dkimSign:\n`,
    ['2:5: dkimSign needs either keys or openDkim'],
  ],
  [
    'a filter with a value',
    `filters:\n  - dkimSign: yes\n`,
    ['2:5: dkimSign takes an object with keys, openDkim, authenticated'],
  ],
  [
    'both of two options',
    `${FILTER}      openDkim: {keyTable: k, signingTable: s}\n`,
    [
      '4:7: openDkim cannot stand beside keys: give one of keys and openDkim',
      '4:28: openDkim.keyTable names DIR/k, which does not exist',
      '4:45: openDkim.signingTable names DIR/s, which does not exist',
    ],
  ],
  [
    'an option of a filter that is misspelt',
    `${FILTER}      domainForm: sender\n`,
    ['4:7: domainForm is not an option of dkimSign; did you mean domainFrom?'],
  ],
  [
    'an option for programs',
    `${FILTER}      now: 5\n`,
    ['4:7: now is for programs only: remove it here'],
  ],
  [
    'an option of a filter that is not there',
    `${FILTER}      mode: sv\n`,
    ['4:7: mode is not an option of dkimSign.'],
  ],
  [
    'a word that is misspelt',
    `${FILTER}      domainFrom: form\n`,
    ['4:19: domainFrom takes from, sender or login; it got "form"; did you mean from?'],
  ],
  [
    'yes for true',
    `${FILTER}      observe: yes\n`,
    ['4:16: observe takes true or false (yes is only text); it got "yes"'],
  ],
  [
    'a string for true',
    `${FILTER}      authenticated: maybe\n`,
    ['4:22: authenticated takes true or false; it got "maybe"'],
  ],
  [
    'a network of a filter',
    `${FILTER}      networks: [10.0.0.0/8, 10.0.0.0/64]\n`,
    [
      '4:30: networks[1] takes IP addresses and networks, such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32; it got "10.0.0.0/64"',
    ],
  ],
  [
    'a field that cannot be signed',
    `${FILTER}      sign: [From, DKIM-Signature]\n`,
    ['4:20: sign[1] takes no DKIM-Signature (RFC 6376, section 3.5)'],
  ],
  [
    'a field that has to be signed',
    `${FILTER}      sign: [To]\n      oversign: [Cc]\n`,
    [`5:17: oversign takes a list with From; it got [ 'Cc' ]`],
  ],
  [
    'a field with a colon',
    `${FILTER}      sign: ["From:"]\n`,
    ['4:14: sign[0] takes the name of a header field, such as Subject; it got "From:"'],
  ],
  [
    'a time that is too short',
    `${FILTER}      expiresIn: 500ms\n`,
    ['4:18: expiresIn takes a time such as 30s, 5m, 4h or 35d, 1000ms or more; it got "500ms"'],
  ],
  [
    'a time without a unit in a filter',
    `${FILTER}      expiresIn: 1 week\n`,
    [
      '4:18: expiresIn takes a time such as 30s, 5m, 4h or 35d, 1000ms or more; it got "1 week"',
    ],
  ],
  [
    'a key without a selector',
    `filters:\n  - dkimSign:\n      keys:\n        - domain: example.org\n          file: key.pem\n`,
    [
      '4:11: keys[0] needs selector: the name of the key: its record is SELECTOR._domainkey.DOMAIN',
    ],
  ],
  [
    'a key with an option that is misspelt',
    `filters:\n  - dkimSign:\n      keys:\n        - domain: example.org\n          selctor: s1\n          file: key.pem\n`,
    ['5:11: keys[0].selctor is not an option of a key; did you mean selector?'],
  ],
  [
    'a key with two sources',
    `filters:\n  - dkimSign:\n      keys: {domain: example.org, selector: s1, file: key.pem, privateKey: x}\n`,
    ['3:64: keys.privateKey cannot stand beside file: give one of file and privateKey'],
  ],
  [
    'a key file that is missing',
    `filters:\n  - dkimSign:\n      keys: {domain: example.org, selector: s1, file: nokey.pem}\n`,
    ['3:55: keys.file names DIR/nokey.pem, which does not exist'],
  ],
  [
    'a key file that is no key',
    `filters:\n  - dkimSign:\n      keys: {domain: example.org, selector: s1, file: own.js}\n`,
    [
      '3:55: dkimSign cannot be made: DKIM: DIR/own.js is not a private key in PEM without a passphrase (-----BEGIN PRIVATE KEY-----)',
    ],
  ],
  [
    'a domain with a space',
    `filters:\n  - dkimSign:\n      keys: {domain: example org, selector: s1, file: key.pem}\n`,
    [
      '3:22: keys.domain takes a domain, such as example.org (of other letters its form with xn--); it got "example org"',
    ],
  ],
  [
    'a domain with an umlaut',
    `filters:\n  - dkimSign:\n      keys: {domain: exämple.org, selector: s1, file: key.pem}\n`,
    [
      '3:22: keys.domain takes a domain, such as example.org (of other letters its form with xn--); it got "exämple.org"',
    ],
  ],
  [
    'an address for a domain',
    `filters:\n  - dkimSign:\n      keys: {domain: a@example.org, selector: s1, file: key.pem}\n`,
    [
      '3:22: keys.domain takes a domain, such as example.org (of other letters its form with xn--); it got "a@example.org"',
    ],
  ],
  [
    'a table that is missing',
    `filters:\n  - dkimSign:\n      openDkim: {keyTable: nokeys, signingTable: nosigners}\n`,
    [
      '3:28: openDkim.keyTable names DIR/nokeys, which does not exist',
      '3:50: openDkim.signingTable names DIR/nosigners, which does not exist',
    ],
  ],
  [
    'a table with half of its options',
    `filters:\n  - dkimSign:\n      openDkim: {keyTable: nokeys}\n`,
    [
      '3:17: openDkim needs signingTable: its SigningTable',
      '3:28: openDkim.keyTable names DIR/nokeys, which does not exist',
    ],
  ],
  [
    'a condition that is misspelt',
    `${FILTER}    when: {direcion: local}\n`,
    ['4:12: direcion is not an option of when; did you mean direction?'],
  ],
  [
    'a direction that is not there',
    `${FILTER}    when: {direction: inside}\n`,
    ['4:23: direction takes authenticated, local or outside; it got "inside"'],
  ],
  [
    'a direction as a value of when',
    `${FILTER}    when: local\n`,
    [
      '4:5: when takes an object with direction, networks, senderDomain, recipientDomain, not; it got "local"',
    ],
  ],
  [
    'a domain with an asterisk',
    `${FILTER}    when: {senderDomain: "*.example.org"}\n`,
    [
      '4:26: senderDomain takes a domain, such as example.org, or .example.org for all domains below it; it got "*.example.org"',
    ],
  ],
  [
    'an address for the domain of a sender',
    `${FILTER}    when: {senderDomain: joe@example.org}\n`,
    [
      '4:26: senderDomain takes a domain, such as example.org, or .example.org for all domains below it; it got "joe@example.org"',
    ],
  ],
  [
    'not in not',
    `${FILTER}    when: {not: {not: {direction: local}}}\n`,
    ['4:18: not.not is not an option of not.'],
  ],
  [
    'an empty list in a condition',
    `${FILTER}    when: {direction: []}\n`,
    ['4:23: direction takes at least one entry; it got []'],
  ],
  [
    'a condition with nothing',
    `${FILTER}    when:\n`,
    [
      '4:5: when takes an object with direction, networks, senderDomain, recipientDomain, not; it got null',
    ],
  ],
  [
    'use with a list',
    `filters:\n  - use: [./own.js]\n`,
    ['2:5: use takes the path of a module, such as ./filter.ts, or the name of a package'],
  ],
  [
    'use of a file that is missing',
    `filters:\n  - use: ./nope.js\n`,
    ['2:10: ./nope.js cannot be made: DIR/nope.js: there is no such file'],
  ],
  [
    'use of a package that is missing',
    `filters:\n  - use: tsmilter-nope\n`,
    [
      '2:5: tsmilter-nope cannot be made: there is no package tsmilter-nope in node_modules of DIR or above: install it there, or write ./tsmilter-nope for a file',
    ],
  ],
  [
    'use of a module without a filter',
    `filters:\n  - use: ./nothing.js\n`,
    [
      '2:5: ./nothing.js cannot be made: its default export is missing; it has to be a filter, or a function that makes a filter of its options',
    ],
  ],
  [
    'use of a module that throws',
    `filters:\n  - use: ./throws.js\n`,
    [
      '2:10: ./throws.js cannot be made: DIR/throws.js does not load: Error: no database (DIR/throws.js:1)',
    ],
  ],
  [
    'use of a module with a syntax error',
    `filters:\n  - use: ./syntax.js\n`,
    [
      '2:10: ./syntax.js cannot be made: DIR/syntax.js does not load: SyntaxError: Unexpected end of input',
    ],
  ],
  [
    'options for a filter that takes none',
    `filters:\n  - use: ./own.js\n    options: {a: 1}\n`,
    [
      '2:5: ./own.js cannot be made: its default export is a filter, which takes no options: remove them, or export a function that makes the filter',
    ],
  ],
  [
    'options beside use instead of in options',
    `filters:\n  - use: ./own.js\n    tag: x\n`,
    ['3:5: tag cannot stand beside use. There can be: use, options, when'],
  ],
  [
    'use that refuses its options',
    `filters:\n  - use: ./picky.js\n    options: {tag: 5}\n`,
    ['2:5: ./picky.js cannot be made: TypeError: tag has to be text (DIR/picky.js:3)'],
  ],
  [
    'two filters, one of events',
    `filters:\n  - use: ./own.js\n  - use: ./events.js\n`,
    [
      '3:5: ./events.js is not made with defineFilter, so it cannot run together with other filters: run it alone, as another milter of the mail server',
    ],
  ],
  [
    'a condition for a filter of events',
    `filters:\n  - use: ./events.js\n    when: {direction: local}\n`,
    [
      '2:5: ./events.js cannot be made: it is not made with defineFilter, so it cannot have "when": remove that, or ask in its handlers',
    ],
  ],
  [
    'include of a file that is missing',
    `filters:\n  - include: nope.yaml\n`,
    ['2:14: include names DIR/nope.yaml, which does not exist'],
  ],
  [
    'include of itself',
    `filters:\n  - include: tsmilter.yaml\n`,
    ['2:14: include names DIR/tsmilter.yaml, which includes this file: remove one of them'],
  ],
  [
    'include with an object',
    `filters:\n  - include: {file: more.yaml}\n`,
    ['2:14: include takes the path of a file, or a list of paths'],
  ],
  [
    'include with a condition',
    `filters:\n  - include: more.yaml\n    when: {direction: local}\n`,
    ['3:5: when cannot stand beside include: write it in the file that is included'],
  ],
  [
    'a mistake in an included file',
    `filters:\n  - include: wrong.yaml\n`,
    [
      'wrong.yaml:2:11: keys takes an object with domain, selector, file, privateKey, subdomains',
    ],
  ],
  [
    'options of the server in an included file',
    `filters:\n  - include: server.yaml\n`,
    [
      'server.yaml:1:1: workers does not belong into a file that is included: it has filters only',
    ],
  ],
  [
    'a variable that is not set',
    `filters:\n  - dkimSign:\n      keys: {domain: example.org, selector: s1, privateKey: !env NOT_SET}\n`,
    [
      '3:66: the variable NOT_SET is not set: set it in the environment of tsmilter (in a unit with EnvironmentFile=)',
    ],
  ],
  [
    'a variable with a strange name',
    `workers: !env \${WORKERS}\n${FILTERS}`,
    ['1:15: !env takes the name of a variable: !env NAME'],
  ],
  [
    'a variable with a wrong value',
    `workers: !env SECRET\n${FILTERS}`,
    [
      '1:15: workers takes a whole number from 1 to 1024, or auto for one for each CPU; what the variable SECRET has is not shown',
    ],
  ],
  [
    'a secret file that is missing',
    `filters:\n  - dkimSign:\n      keys: {domain: example.org, selector: s1, privateKey: !file nope.pem}\n`,
    ['3:67: the file DIR/nope.pem does not exist'],
  ],
  [
    'a secret file that is empty',
    `filters:\n  - dkimSign:\n      keys: {domain: example.org, selector: s1, privateKey: !file empty}\n`,
    ['3:67: the file DIR/empty is empty: write the secret into it'],
  ],
  [
    'a secret that is wrong',
    `filters:\n  - dkimSign:\n      keys: {domain: example.org, selector: s1, privateKey: !env SECRET}\n`,
    [
      '2:5: dkimSign cannot be made: DKIM: the key s1 of example.org is not a private key in PEM without a passphrase (-----BEGIN PRIVATE KEY-----)',
    ],
  ],
  [
    'a tag that is not known',
    `user: !secret x\n${FILTERS}`,
    [
      '1:15: !secret is not known: the tags are !env NAME for a variable of the environment, and !file PATH for the content of a file',
    ],
  ],
  [
    'a tag on a list',
    `listen: !env [a, b]\n${FILTERS}`,
    ['1:14: !env stands before one text, not before a list or an object'],
  ],
  ['a tab', `timeouts:\n\tidle: 5s\n${FILTERS}`, ['2:1: is indented with a tab: use spaces']],
  [
    'a tab in a list',
    `filters:\n\t- dkimSign: {}\n`,
    ['2:1: is indented with a tab: use spaces'],
  ],
  [
    'indentation that jumps',
    `timeouts:\n    idle: 5s\n  write: 5s\n${FILTERS}`,
    [
      '3:1: is not indented as the lines before it: give all lines of one list or object the same spaces, and close each [ and {',
    ],
  ],
  [
    'a list that is not closed',
    `listen: [inet:1@localhost\n${FILTERS}`,
    ['1:9: has a bracket that is not closed: write ] or } at its end'],
  ],
  [
    'a quote that is not closed',
    `pidFile: "/run/x\n${FILTERS}`,
    ['1:10: begins with " and does not end with it: close the quote'],
  ],
  [
    'a colon in a value',
    `pidFile: a: b\n${FILTERS}`,
    [
      '1:10: has a second colon, or is indented too far: put text with ": " in quotes, or give the line the spaces of the one above',
    ],
  ],
  [
    'a name without a colon',
    `workers 2\n${FILTERS}`,
    ['1:1: is no name in one line: write NAME: VALUE'],
  ],
  [
    'a reserved character',
    `pidFile: @x\n${FILTERS}`,
    ['1:10: begins with a character that is reserved in YAML: put the text in quotes'],
  ],
  [
    'a percent sign',
    `pidFile: %x\n${FILTERS}`,
    ['1:10: begins with a character that is reserved in YAML: put the text in quotes'],
  ],
  [
    'a backslash',
    `pidFile: "C:\\q"\n${FILTERS}`,
    [
      '1:13: has a backslash in double quotes that stands for nothing: use single quotes, or two backslashes',
    ],
  ],
  [
    'a list and an object in one',
    `- workers\nlisten: x\n`,
    [
      '2:1: does not belong here: either all lines of a block begin with "- ", or all are NAME: VALUE',
    ],
  ],
  [
    'a second document',
    `workers: 2\n---\n${FILTERS}`,
    ['2:1: begins another document: a configuration is one, so remove the line with ---'],
  ],
  [
    'a name twice',
    `workers: 2\nworkers: 3\n${FILTERS}`,
    ['2:1: workers is here twice: it is also in line 1; write one of them'],
  ],
  [
    'filters twice',
    `${FILTERS}${FILTERS}`,
    ['3:1: filters is here twice: it is also in line 1; write one of them'],
  ],
  [
    'a name twice in braces',
    `timeouts: {idle: 5s, idle: 6s}\n${FILTERS}`,
    ['1:22: idle is here twice: it is also in line 1; write one of them'],
  ],
  [
    'a merge key',
    `timeouts:\n  <<: {idle: 5s}\n${FILTERS}`,
    ['2:3: << is not read: write the options here, or give a whole value an anchor'],
  ],
  [
    'an alias of nothing',
    `workers: *n\n${FILTERS}`,
    ['1:10: *n stands for nothing: write &n at a value above it'],
  ],
  [
    'an alias in itself',
    `filters: &f\n  - *f\n`,
    [
      '1:1: filters has no filter: write at least one "- NAME:"',
      '2:5: *f stands for nothing: write &f at a value above it',
    ],
  ],
  [
    'a list in the place of a name',
    `? [a, b]\n: 2\n${FILTERS}`,
    ['1:3: has a list or an object in the place of a name: write NAME: VALUE'],
  ],
  ['an empty file', ``, ['1:1: is empty: write "filters:" with a list of filters']],
  [
    'comments only',
    `# nothing yet\n`,
    ['1:1: is empty: write "filters:" with a list of filters'],
  ],
  [
    'a list as a whole',
    `- dkimSign: {}\n`,
    [
      '1:1: a configuration is an object: write NAME: VALUE, and "filters:" with the list of filters',
    ],
  ],
  [
    'a word as a whole',
    `dkimSign\n`,
    [
      '1:1: a configuration is an object: write NAME: VALUE, and "filters:" with the list of filters',
    ],
  ],
  [
    'JSON with a comma too much',
    `{"workers": 2,, "filters": []}\n`,
    [
      '1:15: does not belong here: either all lines of a block begin with "- ", or all are NAME: VALUE',
    ],
  ],
  [
    'a conflict marker',
    `<<<<<<< HEAD\nworkers: 2\n=======\n${FILTERS}`,
    [
      '1:1: is no name in one line: write NAME: VALUE',
      '3:1: is no name in one line: write NAME: VALUE',
    ],
  ],
  [
    'an archive without a place',
    'filters:\n  - archive: {mode: 0640}\n',
    ['2:5: archive needs either directory or http'],
  ],
  [
    'a score for a scanner of viruses',
    'filters:\n  - scan:\n      clamd: /run/clamd\n      refuseAt: 5\n',
    ['4:7: refuseAt is only for spamd and rspamd: take it out'],
  ],
  [
    'a webhook into the own network',
    'filters:\n  - webhook: {url: "https://10.0.0.1/", secretFile: key.pem}\n',
    ['2:20: url takes an address of the Internet; name a private one in allowAddresses'],
  ],
]
