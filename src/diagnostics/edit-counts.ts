import type { EditMethod } from '../protocol/edit-table.ts'

/** The number of edits of each kind, by the method of the context that makes them. */
export type EditCounts = Readonly<Partial<Record<EditMethod, number>>>
export const NO_EDIT_COUNTS: EditCounts = Object.freeze({})
