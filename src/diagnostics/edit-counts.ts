/** How many edits of each kind, by the method of the context that makes them. */
export type EditCounts = Readonly<Partial<Record<EditMethod, number>>>
export type EditMethod =
  | 'addHeader'
  | 'insertHeader'
  | 'changeHeader'
  | 'addRecipient'
  | 'deleteRecipient'
  | 'changeFrom'
  | 'replaceBody'
  | 'quarantine'
export const NO_EDIT_COUNTS: EditCounts = Object.freeze({})
