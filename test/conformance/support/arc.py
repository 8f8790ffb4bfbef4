"""ARC with dkimpy on standard input: `verify NAME RECORD ...` or `sign SELECTOR DOMAIN KEY-FILE AUTHSERV-ID`."""
import sys
import dkim

verb, *words = sys.argv[1:]
message = sys.stdin.buffer.read()

if verb == 'verify':
    records = dict(zip(words[::2], words[1::2]))

    def dnsfunc(name, timeout=5):
        key = name.decode() if isinstance(name, bytes) else name
        return records.get(key.rstrip('.'), '').encode() or None

    cv, results, reason = dkim.arc_verify(message, dnsfunc=dnsfunc)
    seals = ','.join('%d:%s' % (one['instance'], 'ok' if one['as-valid'] else 'bad') for one in results)
    print((cv or b'ended').decode(), seals)
else:
    selector, domain, key, authserv_id = words
    with open(key, 'rb') as file:
        pem = file.read()
    # What arc_sign does not want to sign, because it changes on the way.
    headers = [b'from', b'to', b'subject', b'date', b'message-id']
    fields = dkim.arc_sign(message, selector.encode(), domain.encode(), pem, authserv_id.encode(), include_headers=headers)
    sys.stdout.buffer.write(b''.join(field.rstrip(b'\r\n') + b'\r\n' for field in fields) + message)
