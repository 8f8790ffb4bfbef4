import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { detectType } from '../../src/mime/attachments/content-kind.ts'
import { PROGRAM } from '../support/attachments.ts'
import { zip } from '../support/zip.ts'

describe('kinds of content', () => {
  const cases: [bytes: string | Buffer, ext: string | undefined][] = [
    [PROGRAM, 'exe'],
    ['MZ is a letter that begins so', undefined],
    ['\x7fELF\x02\x01\x01', 'elf'],
    ['#!/bin/sh\necho', 'sh'],
    [Buffer.from('d0cf11e0a1b11ae1', 'hex'), 'cfb'],
    [Buffer.from('789f3e220100', 'hex'), 'tnef'],
    [Buffer.from('4c0000000114020000000000', 'hex'), 'lnk'],
    ['ITSF\x03\0\0\0', 'chm'],
    ['{\\rtf1\\ansi}', 'rtf'],
    ['{\\rt', 'rtf'],
    ['<!DOCTYPE html><p>', 'html'],
    ['  <!-- a - b -- c -->\n<HTML>', 'html'],
    ['\xef\xbb\xbf<script>', 'html'],
    [Buffer.from('\ufeff<html>', 'utf16le'), 'html'],
    ['<?xml version="1.0"?><a/>', 'xml'],
    ['%PDF-1.7\n', 'pdf'],
    [Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), 'png'],
    ['GIF89a', 'gif'],
    [zip([{ name: 'a.txt' }]), 'zip'],
    ['PK\x03\x04', 'zip'],
    ['plain text', undefined],
    ['', undefined],
    ['M', undefined],
  ]
  for (const [bytes, ext] of cases) {
    const content = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
    it(`${JSON.stringify(content.toString('latin1', 0, 20))}: ${ext}`, async () => {
      assert.equal((await detectType(content))?.ext, ext)
    })
  }

  it('are found for any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array(), async (bytes) => void (await detectType(bytes))),
    )
  })
})
