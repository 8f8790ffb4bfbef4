/**
 * Whether a value has its content in fields: an object literal or an object of a class, but no Map, Date, Buffer or
 * list. Their content would be ignored without a word.
 */
export const isPlainObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  Object.prototype.toString.call(value) === '[object Object]'
