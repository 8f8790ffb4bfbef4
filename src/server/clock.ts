/**
 * Milliseconds of a clock that nobody sets: after a step of the machine's, connections would be taken for
 * silent. They are whole, since V8 makes an object of any other number that a connection keeps; and never 0.
 */
export const clock = (): number => Math.ceil(performance.now())
