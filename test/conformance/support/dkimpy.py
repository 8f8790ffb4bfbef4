"""Verifies a message on standard input with dkimpy; the arguments are names and their TXT records."""
import sys
import dkim

records = dict(zip(sys.argv[1::2], sys.argv[2::2]))


def dnsfunc(name, timeout=5):
    key = name.decode() if isinstance(name, bytes) else name
    return records.get(key.rstrip('.'), '').encode() or None


message = sys.stdin.buffer.read()
verifier = dkim.DKIM(message)
count = sum(1 for name, _ in verifier.headers if name.lower() == b'dkim-signature')
results = []
for index in range(count):
    try:
        results.append('pass' if verifier.verify(idx=index, dnsfunc=dnsfunc) else 'fail')
    except dkim.DKIMException as error:
        results.append('error: %s' % error)
print(','.join(results))
