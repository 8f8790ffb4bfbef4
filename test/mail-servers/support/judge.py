"""Reads messages as Python's email package and dkimpy do.

Standard input: lines of JSON {"name": ..., "message": base64}; arguments: names and their TXT records. Standard output: the
same lines with {"name", "parts": [[type, file name, base64 of the content; text in UTF-8]], "signatures": [[domain, verdict]]}.
"""
import base64
import email
import json
import sys

import dkim

records = dict(zip(sys.argv[1::2], sys.argv[2::2]))


def dnsfunc(name, timeout=5):
    key = name.decode() if isinstance(name, bytes) else name
    return records.get(key.rstrip('.'), '').encode() or None


def content(part):
    payload = part.get_payload(decode=True) or b''
    if part.get_content_maintype() == 'text':
        try:
            payload = payload.decode(part.get_content_charset('latin1')).encode()
        except (LookupError, ValueError):
            pass
    return base64.b64encode(payload).decode()


def parts(message):
    for part in email.message_from_bytes(message).walk():
        if not part.is_multipart():
            name = part.get_filename()
            yield [part.get_content_type(), None if name is None else str(name), content(part)]


def signatures(message, domain):
    verifier = dkim.DKIM(message)
    fields = [value for name, value in verifier.headers if name.lower() == b'dkim-signature']
    for index, value in enumerate(fields):
        if b'd=' + domain + b';' not in value.replace(b' ', b''):
            continue
        try:
            yield 'pass' if verifier.verify(idx=index, dnsfunc=dnsfunc) else 'fail'
        except Exception as error:  # of forged fields, too
            yield 'error: %s' % error


for line in sys.stdin:
    given = json.loads(line)
    message = base64.b64decode(given['message'])
    try:
        found = list(parts(message))
    except Exception as error:
        found = 'Python: %s' % error
    domain = given['domain'].encode()
    print(
        json.dumps(
            {
                'name': given['name'],
                'parts': found,
                'signatures': list(signatures(message, domain)),
            }
        )
    )
