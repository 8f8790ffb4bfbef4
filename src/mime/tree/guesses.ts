/**
 * What of a part's header could not be read for sure: no edit rests on it.
 *
 * - `type`: a Content-Type that is none by RFC 2045, or several that say different types, or a boundary by which
 *   only some programs divide the part
 * - `charset`: a charset that nobody knows, or that its text cannot be in, or another one beside it
 * - `transfer-encoding`: an encoding that nobody knows, or that the body is not in
 */
export type Guess = 'type' | 'charset' | 'transfer-encoding'
