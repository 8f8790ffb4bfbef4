import { hostname } from 'node:os'
import type { StageContext } from '../../message/stage-context.ts'

/** The name of this server in `Authentication-Results`: what the options say, or the name that the mail server has (`j`). */
export const authservIdOf = (
  mail: Pick<StageContext, 'macro'>,
  given: string | undefined,
): string => given ?? (mail.macro('j') || hostname())
