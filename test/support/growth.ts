import assert from 'node:assert/strict'

/**
 * Time is judged by growth: eight times the size must not take much more than eight times as long, where
 * what is quadratic takes sixty-four. The best of five counts, as machines are busy; times too short to
 * measure pass.
 */
const LINEAR = 26
const TOO_SHORT = 25

/** Of the processor, not of the clock: other programs do not count. */
async function milliseconds(run: () => unknown): Promise<number> {
  const start = process.cpuUsage()
  await run()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1_000
}

/**
 * @param n the small size; eight times as much is the large one
 * @param most how many times as long the large one may take
 */
export async function assertGrowth<Input>(
  make: (n: number) => Input,
  n: number,
  use: (input: Input) => unknown,
  maximum: number = LINEAR,
): Promise<void> {
  const [small, large] = [make(n), make(8 * n)]
  let ratio = Infinity
  for (let i = 0; i < 5 && ratio > maximum; i++) {
    const short = await milliseconds(() => use(small))
    const long = await milliseconds(() => use(large))
    ratio = Math.min(ratio, long < TOO_SHORT ? 1 : long / Math.max(short, 1))
  }
  assert.ok(ratio <= maximum, `eight times the size takes ${ratio.toFixed(1)} times as long`)
}
