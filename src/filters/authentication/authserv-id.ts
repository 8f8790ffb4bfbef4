import { hostname } from 'node:os'
import type { StageContext } from '../../message/stage-context.ts'

/** The name of this server: what the mail server calls itself (macro `j`), or that of the machine. */
export const serverNameOf = (ctx: Pick<StageContext, 'macro'>): string =>
  ctx.macro('j') || hostname()

/** The name of this server in `Authentication-Results`, unless the options have another. */
export const authservIdOf = (
  ctx: Pick<StageContext, 'macro'>,
  given: string | undefined,
): string => given ?? serverNameOf(ctx)
