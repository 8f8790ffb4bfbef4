/**
 * Complete frames of the protocol, hex with their length field: seen on the wire between real mail
 * servers and libmilter, or made by its rules. `invalid` ones are so on purpose.
 */
export interface Vector {
  readonly id: string
  readonly from: 'mta' | 'filter'
  readonly hex: string
  readonly meaning: string
}

export const VECTORS: readonly Vector[] = [
  {
    id: 'O1',
    from: 'mta',
    hex: '0000000d4f00000006000001ff001fffff',
    meaning:
      'OPTNEG v6, all 9 actions, all 21 protocol bits (what Sendmail 8.14+ and Postfix 2.6+ send)',
  },
  {
    id: 'O2',
    from: 'mta',
    hex: '0000000d4f000000020000003f0000007f',
    meaning: 'OPTNEG v2, SMFI_V2_ACTS, SMFI_V2_PROT',
  },
  {
    id: 'O3',
    from: 'mta',
    hex: '0000000d4f00000006000001ff101fffff',
    meaning: 'OPTNEG v6 offering 256K frames (Sendmail built with MDS negotiation)',
  },
  {
    id: 'O4',
    from: 'mta',
    hex: '0000000d4f00000006000000ff00000042',
    meaning:
      'OPTNEG as Stalwart sends by default: no SETSYMLIST; only NOHELO and NOEOH offered',
  },
  {
    id: 'O5',
    from: 'mta',
    hex: '0000000d4f0000000600000033000001ff',
    meaning: 'OPTNEG as halon-extras/milter sends',
  },
  {
    id: 'O6',
    from: 'filter',
    hex: '0000000d4f00000006000001ff00000000',
    meaning: 'OPTNEG reply: all actions, every event, reply to all',
  },
  {
    id: 'O7',
    from: 'filter',
    hex: '0000000d4f00000006000000010000037b',
    meaning:
      'OPTNEG reply of libmilter filter with only envfrom+eom callbacks and ADDHDRS, no negotiate callback',
  },
  {
    id: 'O8',
    from: 'filter',
    hex: '0000000d4f00000006000001ff0000077b',
    meaning: 'same callbacks, negotiate callback returned ALL_OPTS (SKIP added)',
  },
  {
    id: 'O9',
    from: 'filter',
    hex: '000000264f00000006000001ff00000000000000006a207b6461656d6f6e5f6e616d657d000000000500',
    meaning:
      'OPTNEG reply with macro lists: stage 0 (connect) = "j {daemon_name}", stage 5 (EOM) = empty',
  },
  {
    id: 'O10',
    from: 'filter',
    hex: '0000000d4f0000000600000001000ff080',
    meaning: 'OPTNEG reply: ADDHDRS, no reply for any of the nine NR stages',
  },
  {
    id: 'D1',
    from: 'mta',
    hex: '0000007544436a006d74612e6578616d706c652e74657374007b6461656d6f6e5f6e616d657d006d74612e6578616d706c652e74657374007b6461656d6f6e5f616464727d003132372e302e302e31007600506f737466697820332e372e3131005f006c6f63616c686f7374205b3132372e302e302e315d00',
    meaning: 'macros for CONNECT',
  },
  {
    id: 'D2',
    from: 'mta',
    hex: '000000024448',
    meaning: 'macros for HELO, none defined: only the command letter',
  },
  {
    id: 'D3',
    from: 'mta',
    hex: '000000024455',
    meaning: 'macros for UNKNOWN (empty list); libmilter ignores this stage',
  },
  {
    id: 'D4',
    from: 'mta',
    hex: '0000004b44527b726370745f6d61696c65727d006572726f72007b726370745f686f73747d00352e312e31007b726370745f616464727d0035353020352e312e31205573657220756e6b6e6f776e00',
    meaning: 'macros for a recipient the MTA rejects',
  },
  {
    id: 'D5',
    from: 'mta',
    hex: '00000010444c6900453645354232353034323800',
    meaning: 'macros in front of a single HEADER; libmilter ignores this stage',
  },
  {
    id: 'C1',
    from: 'mta',
    hex: '00000018436c6f63616c686f73740034e5003132372e302e302e3100',
    meaning: 'CONNECT IPv4, port 58624',
  },
  {
    id: 'C2',
    from: 'mta',
    hex: '0000000e435b3a3a315d0036bcd83a3a3100',
    meaning: 'CONNECT IPv6 plain form, host name unknown so bracketed address',
  },
  {
    id: 'C3',
    from: 'mta',
    hex: '0000002e43697036686f73742e6578616d706c652e746573740036bd50495076363a303a303a303a303a303a303a303a3100',
    meaning: 'CONNECT IPv6 with "IPv6:" tag and uncompressed groups',
  },
  {
    id: 'C4',
    from: 'mta',
    hex: '0000000c436c6f63616c686f73740055',
    meaning: 'CONNECT, address family unknown: nothing after the family byte',
  },
  {
    id: 'C5',
    from: 'mta',
    hex: '00000019436c6f63616c686f7374004c00002f7661722f72756e2f7800',
    meaning: 'CONNECT from a unix-domain peer: port field present and zero',
  },
  {
    id: 'C6',
    from: 'mta',
    hex: '00000018436c6f63616c686f7374003400003132372e302e302e3100',
    meaning: 'CONNECT for a locally submitted message: port 0',
  },
  {
    id: 'H1',
    from: 'mta',
    hex: '0000001048636c69656e742e6578616d706c6500',
    meaning: 'HELO/EHLO',
  },
  {
    id: 'M1',
    from: 'mta',
    hex: '000000234d3c6140622e746573743e0053495a453d31303000424f44593d384249544d494d4500',
    meaning: 'MAIL with two ESMTP parameters',
  },
  { id: 'M2', from: 'mta', hex: '000000044d3c3e00', meaning: 'MAIL, null sender' },
  {
    id: 'M3',
    from: 'mta',
    hex: '000000024d00',
    meaning: 'MAIL, null sender, Postfix local submission: just one NUL',
  },
  {
    id: 'M4',
    from: 'mta',
    hex: '000000114d6f64406578616d706c652e7465737400',
    meaning: 'MAIL without angle brackets (Postfix local submission)',
  },
  {
    id: 'R1',
    from: 'mta',
    hex: '00000022523c75736572406578616d706c652e746573743e004e4f544946593d4e4556455200',
    meaning: 'RCPT with one ESMTP parameter',
  },
  { id: 'T1', from: 'mta', hex: '0000000154', meaning: 'DATA' },
  {
    id: 'L1',
    from: 'mta',
    hex: '000000214c582d466f6c64002074776f207370616365730a09666f6c646564206c696e6500',
    meaning:
      'HEADER, original "X-Fold:  two spaces<CRLF><TAB>folded line", one space eaten, fold is a bare LF',
  },
  {
    id: 'L2',
    from: 'mta',
    hex: '0000000a4c582d456d7074790000',
    meaning: 'HEADER with empty value',
  },
  {
    id: 'L3',
    from: 'mta',
    hex: '000000104c5375626a656374002068656c6c6f00',
    meaning: 'HEADER with SMFIP_HDR_LEADSPC negotiated',
  },
  { id: 'N1', from: 'mta', hex: '000000014e', meaning: 'EOH' },
  {
    id: 'N2',
    from: 'mta',
    hex: '000000024e00',
    meaning: 'EOH with a stray NUL payload (halon-extras/milter); must be tolerated',
  },
  {
    id: 'B1',
    from: 'mta',
    hex: '0000001c42626f6479206c696e65310d0a2e646f747465640d0a6c6173740d0a',
    meaning: 'BODY chunk: CRLF line ends, dot-stuffing undone',
  },
  {
    id: 'B2',
    from: 'mta',
    hex: '0000000142',
    meaning:
      'BODY with empty payload (halon-extras/milter, empty message); libmilter drops the connection, tolerate it',
  },
  { id: 'E1', from: 'mta', hex: '0000000145', meaning: 'end of message' },
  {
    id: 'E2',
    from: 'mta',
    hex: '00000007457461696c0d0a',
    meaning: 'end of message carrying a last body chunk: deliver as BODY, then EOM',
  },
  { id: 'A1', from: 'mta', hex: '0000000141', meaning: 'ABORT' },
  { id: 'Q1', from: 'mta', hex: '0000000151', meaning: 'QUIT' },
  { id: 'K1', from: 'mta', hex: '000000014b', meaning: 'QUIT_NC' },
  {
    id: 'U1',
    from: 'mta',
    hex: '0000001055464f4f4241522062617a2071757800',
    meaning: 'UNKNOWN, whole command line',
  },
  { id: 'U2', from: 'mta', hex: '0000000855464f4f42415200', meaning: 'UNKNOWN, verb only' },
  { id: 'c1', from: 'filter', hex: '0000000163', meaning: 'CONTINUE' },
  { id: 'a1', from: 'filter', hex: '0000000161', meaning: 'ACCEPT' },
  { id: 'r1', from: 'filter', hex: '0000000172', meaning: 'REJECT' },
  { id: 't1', from: 'filter', hex: '0000000174', meaning: 'TEMPFAIL' },
  { id: 'd1', from: 'filter', hex: '0000000164', meaning: 'DISCARD' },
  { id: 's1', from: 'filter', hex: '0000000173', meaning: 'SKIP' },
  { id: 'p1', from: 'filter', hex: '0000000170', meaning: 'PROGRESS' },
  {
    id: 'y1',
    from: 'filter',
    hex: '000000187935353020352e372e31206e6f2031303025252077617900',
    meaning: 'REPLYCODE single line, percent doubled',
  },
  {
    id: 'y2',
    from: 'filter',
    hex: '00000027793435302d342e372e3120610d0a3435302d342e372e3120620d0a34353020342e372e31206300',
    meaning: 'REPLYCODE, three lines',
  },
  {
    id: 'y3',
    from: 'filter',
    hex: '000000137934323120342e372e3120636c6f73696e6700',
    meaning: 'REPLYCODE that also ends the SMTP session',
  },
  {
    id: 'h1',
    from: 'filter',
    hex: '0000000c68582d410076310a09763200',
    meaning: 'ADDHEADER, folded value',
  },
  {
    id: 'i1',
    from: 'filter',
    hex: '0000000d6900000000582d4900746f7000',
    meaning: 'INSHEADER index 0',
  },
  {
    id: 'm1',
    from: 'filter',
    hex: '000000116d000000015375626a656374006e657700',
    meaning: 'CHGHEADER first Subject',
  },
  {
    id: 'm2',
    from: 'filter',
    hex: '0000000c6d00000002582d44656c0000',
    meaning: 'CHGHEADER delete second X-Del',
  },
  { id: '+1', from: 'filter', hex: '000000072b3c6140623e00', meaning: 'ADDRCPT' },
  {
    id: '21',
    from: 'filter',
    hex: '00000014323c7040623e004e4f544946593d4e4556455200',
    meaning: 'ADDRCPT_PAR with parameters',
  },
  {
    id: '22',
    from: 'filter',
    hex: '00000008323c703240623e00',
    meaning: 'ADDRCPT_PAR without the parameter string',
  },
  { id: '-1', from: 'filter', hex: '000000072d3c6440623e00', meaning: 'DELRCPT' },
  {
    id: 'e1',
    from: 'filter',
    hex: '00000015653c6640623e00424f44593d384249544d494d4500',
    meaning: 'CHGFROM with parameters',
  },
  {
    id: 'e2',
    from: 'filter',
    hex: '00000008653c663240623e00',
    meaning: 'CHGFROM without the parameter string',
  },
  { id: 'b1', from: 'filter', hex: '000000086268656c6c6f0d0a', meaning: 'REPLBODY chunk' },
  {
    id: 'b2',
    from: 'filter',
    hex: '0000000162',
    meaning: 'REPLBODY empty chunk = body becomes empty',
  },
  { id: 'q1', from: 'filter', hex: '000000057177687900', meaning: 'QUARANTINE' },
  {
    id: '41',
    from: 'filter',
    hex: '0000000134',
    meaning: 'SHUTDOWN (MTA-internal; only Postfix and Stalwart act on it)',
  },
  {
    id: 'f1',
    from: 'filter',
    hex: '0000000166',
    meaning: 'CONN_FAIL (no MTA but Stalwart acts on it)',
  },
  {
    id: 'X1',
    from: 'mta',
    hex: '00000000',
    meaning: 'invalid: length 0 (every implementation treats it as a protocol error)',
  },
  {
    id: 'X2',
    from: 'mta',
    hex: '0001000142',
    meaning:
      'header of a frame one byte over the default limit (payload 65536): libmilter drops the connection',
  },
  {
    id: 'X3',
    from: 'mta',
    hex: '000000094c5375626a65637400',
    meaning: 'invalid: HEADER with one string only: libmilter aborts the session',
  },
  {
    id: 'X4',
    from: 'mta',
    hex: '000000094f0000000600000001',
    meaning: 'invalid: OPTNEG shorter than 12 bytes: libmilter closes',
  },
  {
    id: 'X5',
    from: 'mta',
    hex: '0000000c4368003630395b3a3a315d00',
    meaning: 'bracketed IPv6 literal: libmilter closes; be lenient',
  },
]
