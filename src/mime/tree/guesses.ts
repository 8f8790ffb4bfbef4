/**
 * What could not be read for sure in the header of a part. No edit relies on it.
 *
 * - `type`: a Content-Type that is not valid by RFC 2045, several that name different types, or a boundary by which
 *   only some programs divide the part
 * - `charset`: a charset that is unknown, one that the text cannot be in, or a second one
 * - `transfer-encoding`: an encoding that is unknown, or one that the body is not in
 */
export type Guess = 'type' | 'charset' | 'transfer-encoding'
