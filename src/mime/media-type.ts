/** Types whose content is a message. */
export const isMessageType = (type: string): boolean =>
  type === 'message/rfc822' || type === 'message/global' || type === 'message/news'

/** Its parts are encoded instead (RFC 2045, section 6.4). */
export const mustNotBeEncoded = (type: string): boolean =>
  type.startsWith('multipart/') || isMessageType(type)
