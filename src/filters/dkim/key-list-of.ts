import type { DkimSignSettings } from '../types.ts'
import { DomainKeys } from '../signing/domain-keys.ts'
import type { KeyList } from '../signing/key-list.ts'
import { OpenDkimTables } from './opendkim-tables.ts'

/**
 * The keys that the options name.
 *
 * @throws UsageError INVALID_OPTION if a key or a table cannot be read
 */
export const keyListOf = ({ keys, openDkim }: DkimSignSettings): KeyList =>
  openDkim === undefined
    ? new DomainKeys(keys!)
    : new OpenDkimTables(openDkim.keyTable, openDkim.signingTable, openDkim.multiple)
