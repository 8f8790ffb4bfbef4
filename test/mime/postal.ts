/** postal-mime, without its declarations, which do not compile without the types of a browser. */

export interface PostalMail {
  readonly text?: string | undefined
  readonly html?: string | undefined
  readonly attachments: readonly {
    readonly mimeType: string
    readonly filename: string | null
    readonly content: ArrayBuffer
  }[]
}

interface Postal {
  readonly parse: (bytes: Uint8Array, options: object) => Promise<PostalMail>
}

const NAME: string = 'postal-mime'
const loaded = import(NAME) as Promise<{ readonly default: Postal }>

export async function parsePostal(bytes: Buffer): Promise<PostalMail> {
  return await (await loaded).default.parse(bytes, { attachmentEncoding: 'arraybuffer' })
}
