import { formatAddresses, type Address, type NewAddress } from '../mime/fields/mailboxes.ts'
import type { MailHeaders } from './headers.ts'

/**
 * The address fields of a mail, as mailboxes and groups. You read the first field of a name. If you set one, it
 * becomes the only one; an empty list removes it.
 *
 *     mail.addresses.replyTo = { name: 'Support', address: 'support@example.org' }
 */
export class MailAddresses {
  readonly #headers: MailHeaders

  constructor(headers: MailHeaders) {
    this.#headers = headers
  }

  get from(): Address[] {
    return this.get('From')
  }
  set from(addresses: NewAddress | readonly NewAddress[]) {
    this.set('From', addresses)
  }

  get sender(): Address[] {
    return this.get('Sender')
  }
  set sender(addresses: NewAddress | readonly NewAddress[]) {
    this.set('Sender', addresses)
  }

  get replyTo(): Address[] {
    return this.get('Reply-To')
  }
  set replyTo(addresses: NewAddress | readonly NewAddress[]) {
    this.set('Reply-To', addresses)
  }

  get to(): Address[] {
    return this.get('To')
  }
  set to(addresses: NewAddress | readonly NewAddress[]) {
    this.set('To', addresses)
  }

  get cc(): Address[] {
    return this.get('Cc')
  }
  set cc(addresses: NewAddress | readonly NewAddress[]) {
    this.set('Cc', addresses)
  }

  get bcc(): Address[] {
    return this.get('Bcc')
  }
  set bcc(addresses: NewAddress | readonly NewAddress[]) {
    this.set('Bcc', addresses)
  }

  /** The addresses of any other field, such as `Resent-To`. */
  get(name: string): Address[] {
    return this.#headers.field(name)?.addresses ?? []
  }

  /**
   * Sets any other field, such as `Resent-To`.
   * @throws UsageError INVALID_ADDRESS, INVALID_HEADER_NAME, TOO_LONG, WRONG_STAGE
   */
  set(name: string, addresses: NewAddress | readonly NewAddress[]): void {
    const list = Array.isArray(addresses) ? (addresses as readonly NewAddress[]) : [addresses]
    const text = formatAddresses(list as readonly NewAddress[])
    if (text === '') this.#headers.delete(name)
    else this.#headers.set(name, text)
  }
}
