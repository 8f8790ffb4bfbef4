/**
 * The seed of all random cases. It is fixed, so that a run tests what the one before tested. TSMILTER_SEED has another
 * number, or `random` to look for new cases. A test that fails tells its seed.
 */
const given = process.env['TSMILTER_SEED'] ?? '20261130'

export const SEED: number = given === 'random' ? Date.now() % 1_000_000_007 : Number(given)
