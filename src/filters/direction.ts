/** Where a message comes from, as the filters tell it apart. */
import { isIP } from 'node:net'
import type { MailConnection } from '../message/mail-connection.ts'
import type { StageContext } from '../message/stage-context.ts'
import type { Networks } from '../server/networks.ts'

/**
 * - `authenticated`: the client has logged in
 * - `local`: the client is in the networks that count as local, or the mail server made the message itself: sendmail(1),
 *   bounces
 * - `outside`: all other mail
 */
export type Direction = 'authenticated' | 'local' | 'outside'

/** The networks that are local if you name none: the machine itself. */
export const LOCAL_NETWORKS: readonly string[] = ['127.0.0.0/8', '::1']

/**
 * The direction of a message, from MAIL on; before that, a login is not known.
 *
 * A client without an IP address (a unix socket, `unknown`) is the mail server itself: Postfix gives such mail to
 * `non_smtpd_milters` as from localhost, Sendmail as from an unknown family.
 */
export function directionOf(
  { connection }: Pick<StageContext, 'connection'>,
  local: Networks,
): Direction {
  if (connection.authenticated !== undefined) return 'authenticated'
  return isLocal(connection, local) ? 'local' : 'outside'
}

/** Whether a client is local, logged in or not. */
export const isLocal = (
  { address }: Pick<MailConnection, 'address'>,
  local: Networks,
): boolean => address === undefined || isIP(address) === 0 || local.has(address)
