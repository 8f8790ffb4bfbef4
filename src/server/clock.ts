/**
 * Milliseconds of a monotonic clock. After a step of the system clock, connections would seem to be silent. The result
 * is a whole number, because V8 makes an object of any other number that a connection keeps. It is never 0.
 */
export const clock = (): number => Math.ceil(performance.now())
