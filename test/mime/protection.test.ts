import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addFooter, parseMime, type Protection } from '../../src/mime/index.ts'

const PGP = '-----BEGIN PGP MESSAGE-----\r\n\r\nx\r\n-----END PGP MESSAGE-----\r\n'

describe('forms of signed and encrypted mail', () => {
  const cases: [fields: string, protection: Protection | undefined, body?: string][] = [
    ['Content-Type: multipart/signed; boundary=b', 'signed'],
    ['Content-Type: multipart/encrypted; boundary=b', 'encrypted'],
    ['Content-Type: application/pkcs7-mime', 'encrypted'],
    ['Content-Type: application/pkcs7-mime; smime-type=enveloped-data', 'encrypted'],
    ['Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data', 'encrypted'],
    ['Content-Type: application/pkcs7-mime; smime-type=Signed-Data', 'signed'],
    ['Content-Type: application/x-pkcs7-mime; smime-type=signed-receipt', 'signed'],
    ['Content-Type: application/pkcs7-signature; name=smime.p7s', 'signed'],
    ['Content-Type: application/octet-stream; name=smime.p7m', 'encrypted'],
    ['Content-Type: application/octet-stream; name="SMIME.P7M "', 'encrypted'],
    ['Content-Type: application/octet-stream; name=smime.p7z', 'encrypted'],
    ['Content-Type: application/octet-stream; name=smime.p7s', 'signed'],
    ['Content-Type: application/octet-stream; name=smime.p7c', 'signed'],
    ['Content-Type: binary/octet-stream; name=smime.p7m', 'encrypted'],
    ['Content-Type: application/force-download; name=smime.p7m', 'encrypted'],
    ['Content-Type: application/x-microsoft-rpmsg-message', 'encrypted'],
    ['Content-Type: application/octet-stream; name=message.rpmsg', 'encrypted'],
    ['Content-Type: text/plain', 'encrypted', '-----BEGIN PRIVACY-ENHANCED MESSAGE-----\r\n'],
    [
      'Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=smime.p7m',
      'encrypted',
    ],
    ['Content-Type: application/pkcs7-mime name="smime.p7m"', 'encrypted'],
    ['Content-Type: text/plain\r\nContent-Type: application/pkcs7-mime', 'encrypted'],
    ['Content-Type: application/pgp-encrypted', 'encrypted'],
    ['Content-Type: application/pgp; x-action=encrypt; format=text', 'encrypted'],
    ['Content-Type: application/pgp; x-action=signclear; format=text', 'signed'],
    ['Content-Type: text/plain', 'encrypted', PGP],
    ['Content-Type: text/html', 'encrypted', PGP],
    ['Content-Type: text/plain', 'encrypted', PGP.replaceAll('MESSAGE', 'MESSAGE, PART 1/2')],
    ['Content-Type: text/plain', 'signed', '-----BEGIN PGP SIGNED MESSAGE-----\r\nx\r\n'],
    ['Content-Type: text/plain', 'encrypted', '-----BEGIN PKCS7-----\r\nx\r\n'],
    ['Content-Type: text/plain', undefined, `> ${PGP}`],
    ['Content-Type: text/plain', undefined],
    ['Content-Type: application/octet-stream; name=a.pdf', undefined],
    ['Content-Type: text/plain; name=notes-on.p7m', undefined],
  ]
  for (const [fields, protection, body = 'x\r\n'] of cases) {
    it(`${JSON.stringify(fields)}: ${protection ?? 'none'}`, async () => {
      const message = parseMime(`${fields}\r\n\r\n${body}`)
      assert.equal(message.protection, protection)
      if (protection === undefined) return
      await addFooter(message, { text: 'Footer' })
      assert.equal(message.edited, false)
    })
  }
})
