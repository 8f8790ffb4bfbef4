/** Milliseconds since a time of `performance.now()`, with two decimals, for lines of the log. */
export const millisecondsSince = (started: number): number =>
  Math.round((performance.now() - started) * 100) / 100
