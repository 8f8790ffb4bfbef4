/*
 * script.c: what a mail server sends. The message is made once; from it and from what a filter has
 * negotiated follow the bytes of a session, macros and all, as Postfix 3.7 writes them.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "load.h"

const char *const event_names[EVENTS] = {
	"CONNECT", "HELO", "MAIL", "RCPT", "DATA", "HEADER", "EOH", "BODY", "end of message"
};
static const char letters[EVENTS + 1] = "CHMRTLNBE";
/* Steps by which a filter declines an event, and by which it leaves it without an answer. */
static const unsigned declined[EVENTS] = { 0x1, 0x2, 0x4, 0x8, 0x200, 0x20, 0x40, 0x10, 0 };
static const unsigned silent[EVENTS] = {
	0x1000, 0x2000, 0x4000, 0x8000, 0x10000, 0x80, 0x40000, 0x80000, 0
};

/* Postfix's own lists of macros (main.cf milter_*_macros); fields and chunks have those of EOH and EOM. */
static const char *const default_macros[EVENTS] = {
	"j {daemon_name} {daemon_addr} v _",
	"{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
	"i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
	"i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
	"i", "i", "i", "i", "i"
};
/* The number of an event's list in a filter's answer: end of message comes before end of headers. */
static const unsigned list_of[EVENTS] = { 0, 1, 2, 3, 4, 6, 6, 5, 5 };

/* What macros say, and from which event to which. The client has not logged in and does not use TLS. */
static const struct { const char *name, *value; enum event from, to; } macros[] = {
	{ "j", "mail.example.net", E_CONNECT, E_EOM },
	{ "v", "Postfix 3.7.11", E_CONNECT, E_EOM },
	{ "_", "client.example.org [192.0.2.7]", E_CONNECT, E_EOM },
	{ "daemon_name", "mail.example.net", E_CONNECT, E_EOM },
	{ "daemon_addr", "192.0.2.1", E_CONNECT, E_EOM },
	{ "daemon_port", "25", E_CONNECT, E_EOM },
	{ "client_addr", "192.0.2.7", E_CONNECT, E_EOM },
	{ "client_name", "client.example.org", E_CONNECT, E_EOM },
	{ "client_ptr", "client.example.org", E_CONNECT, E_EOM },
	{ "client_port", "40123", E_CONNECT, E_EOM },
	{ "client_connections", "1", E_CONNECT, E_DATA },
	{ "mail_addr", "alice@example.org", E_MAIL, E_DATA },
	{ "mail_host", "example.org", E_MAIL, E_DATA },
	{ "mail_mailer", "smtp", E_MAIL, E_DATA },
	{ "rcpt_host", "example.net", E_RCPT, E_RCPT },
	{ "rcpt_mailer", "smtp", E_RCPT, E_RCPT },
	/* There is a queue file from the second recipient on, or DATA. */
	{ "i", "4Xbench0Mz1zk7", E_DATA, E_EOM },
};

static struct field { const char *name, *value; } *fields;
unsigned char *message_body;

/* A header as it is often seen; folds are a bare LF, as the protocol has them. */
static const struct field usual[] = {
	{ "Return-Path", "<alice@example.org>" },
	{ "Received", "from relay.example.org (relay.example.org [192.0.2.7])\n\t(using TLSv1.3 with cipher "
		"TLS_AES_256_GCM_SHA384 (256/256 bits))\n\tby mail.example.net (Postfix) with ESMTPS id "
		"4XbT9k2Lqyz1z\n\tfor <bob@example.net>; Tue, 14 Oct 2025 08:12:03 +0000 (UTC)" },
	{ "Received", "from desk.example.org (desk.example.org [198.51.100.23])\n\tby relay.example.org "
		"(Postfix) with ESMTPSA id 4XbT9j6D8Xz9sB\n\tfor <bob@example.net>; Tue, 14 Oct 2025 "
		"08:12:02 +0000 (UTC)" },
	{ "DKIM-Signature", "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=mail2025;\n\t"
		"t=1760429522; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\n\th=Date:From:To:Subject:"
		"Message-ID:MIME-Version:Content-Type;\n\tb=Zk1pT0x3bGVyIGlzIG5vdCBhIHNpZ25hdHVyZSBhdCBhbGwg"
		"YnV0IGl0IGhhcyB0aGUg\n\t c2l6ZSBvZiBvbmUgYW5kIHRoYXQgaXMgYWxsIGl0IG5lZWRzIGhlcmUgaW4gYSBi"
		"ZW5j\n\t aG1hcms=" },
	{ "Date", "Tue, 14 Oct 2025 10:12:01 +0200" },
	{ "From", "Alice Example <alice@example.org>" },
	{ "To", "Bob Example <bob@example.net>" },
	{ "Cc", "Carol <carol@example.net>, \"Dave, the other one\" <dave@example.net>" },
	{ "Reply-To", "Alice Example <alice@example.org>" },
	{ "Subject", "=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?= and the minutes of the meeting" },
	{ "Message-ID", "<20251014081201.4f1d2c@desk.example.org>" },
	{ "In-Reply-To", "<20251013170440.77ab01@mail.example.net>" },
	{ "References", "<20251013170440.77ab01@mail.example.net>\n <20251013171822.0c9e5e@desk.example.org>" },
	{ "MIME-Version", "1.0" },
	{ "Content-Type", "text/plain; charset=utf-8; format=flowed" },
	{ "Content-Transfer-Encoding", "8bit" },
	{ "Content-Language", "en-GB" },
	{ "User-Agent", "Mozilla Thunderbird" },
	{ "X-Priority", "3" },
	{ "X-Originating-IP", "[198.51.100.23]" },
};

/* After the usual ones, a hundred names take turns, so that long headers have many fields of one name. */
#define NAMES 100

/* The header of a file with CRLF at its line ends, as the protocol has it: folds are a bare LF. */
static void read_message(const char *path)
{
	FILE *file = fopen(path, "rb");
	size_t room = 1 << 20, size;
	char *text = must(malloc(room + 1)), *at, *body;

	if (file == NULL)
		fail("%s cannot be read", path);
	size = fread(text, 1, room, file);
	fclose(file);
	text[size] = '\0';
	body = strstr(text, "\r\n\r\n");
	if (size == room || body == NULL)
		fail("%s is not a message of less than %zu bytes", path, room);
	body[2] = '\0';
	body += 4;
	settings.headers = 0;
	fields = NULL;
	for (at = text; *at != '\0'; )
	{
		char *colon = strchr(at, ':'), *to, *from;

		if (colon == NULL)
			fail("%s has a line without a colon", path);
		*colon = '\0';
		fields = must(realloc(fields, (settings.headers + 1) * sizeof *fields));
		fields[settings.headers].name = at;
		from = to = colon + 1 + (colon[1] == ' ');
		fields[settings.headers++].value = to;
		for (; !(from[0] == '\r' && from[2] != ' ' && from[2] != '\t'); from++)
		{
			if (*from != '\r')
				*to++ = *from;
		}
		at = from + 2;
		*to = '\0';
	}
	settings.body = size - (size_t) (body - text);
	message_body = (unsigned char *) body;
}

void make_message(void)
{
	static const char line[] = "Thank you for your message; the minutes are below, and the next one is in a week.\r\n";
	unsigned i;
	size_t at;

	if (settings.message != NULL)
	{
		read_message(settings.message);
		return;
	}
	fields = must(calloc(settings.headers + 1, sizeof *fields));
	for (i = 0; i < settings.headers; i++)
	{
		char text[100];

		if (i < sizeof usual / sizeof *usual)
		{
			fields[i] = usual[i];
			continue;
		}
		snprintf(text, sizeof text, "X-Field-%u", i % NAMES);
		fields[i].name = must(strdup(text));
		snprintf(text, sizeof text, "field %u of a header that is longer than usual", i);
		fields[i].value = must(strdup(text));
	}
	message_body = must(malloc(settings.body + 1));
	for (at = 0; at < settings.body; at++)
		message_body[at] = (unsigned char) line[at % (sizeof line - 1)];
	if (settings.body >= 2)
		memcpy(message_body + settings.body - 2, "\r\n", 2);
}

static void put(struct sequence *to, const void *bytes, size_t size)
{
	if (to->size + size > to->room)
	{
		to->room = 2 * (to->size + size);
		to->bytes = must(realloc(to->bytes, to->room));
	}
	/* Nothing may come from nowhere. */
	if (size > 0)
		memcpy(to->bytes + to->size, bytes, size);
	to->size += size;
}

static void put_string(struct sequence *to, const char *text)
{
	put(to, text, strlen(text) + 1);
}

/* Frames are begun, filled and ended, so that nobody has to count beforehand. */
static size_t begin(struct sequence *to, char letter)
{
	size_t start = to->size;

	put(to, "\0\0\0\0", 4);
	put(to, &letter, 1);
	return start;
}

static void end(struct sequence *to, size_t start)
{
	uint32_t size = htonl((uint32_t) (to->size - start - 4));

	memcpy(to->bytes + start, &size, 4);
}

static void frame(struct sequence *to, char letter)
{
	end(to, begin(to, letter));
}

static const char *recipient(unsigned number)
{
	static char text[60];

	if (number == 0)
		return "bob@example.net";
	snprintf(text, sizeof text, "user%u@example.net", number);
	return text;
}

static const char *macro_value(const char *name, size_t length, enum event event, unsigned number)
{
	size_t i;

	if (length == 9 && memcmp(name, "rcpt_addr", 9) == 0)
		return event == E_RCPT ? recipient(number) : NULL;
	for (i = 0; i < sizeof macros / sizeof *macros; i++)
	{
		if (strlen(macros[i].name) == length && memcmp(macros[i].name, name, length) == 0)
			return event >= macros[i].from && event <= macros[i].to ? macros[i].value : NULL;
	}
	return NULL;
}

/* Names are sent as they were asked for; what has no value is left out. */
static void put_macros(struct sequence *to, const char *const lists[7], enum event event, unsigned number)
{
	/* An empty list is none to Postfix. */
	const char *list = lists[list_of[event]], *word;
	size_t start = begin(to, 'D');

	if (list == NULL || *list == '\0')
		list = default_macros[event];
	put(to, &letters[event], 1);
	for (word = list + strspn(list, ", \t\r\n"); *word != '\0'; )
	{
		size_t length = strcspn(word, ", \t\r\n");
		int braces = word[0] == '{' && word[length - 1] == '}';
		const char *value = macro_value(word + braces, length - 2 * (size_t) braces, event, number);

		if (value != NULL)
		{
			put(to, word, length);
			put(to, "", 1);
			put_string(to, value);
		}
		word += length;
		word += strspn(word, ", \t\r\n");
	}
	end(to, start);
}

static void add_step(struct sequence *to, const struct script *script, enum event event)
{
	if (to->count == to->steps_room)
	{
		to->steps_room = 2 * to->steps_room + 32;
		to->steps = must(realloc(to->steps, to->steps_room * sizeof *to->steps));
	}
	to->steps[to->count].end = to->size;
	to->steps[to->count].event = (unsigned char) event;
	to->steps[to->count].answered = (script->steps & silent[event]) == 0;
	to->count++;
}

static int wanted(const struct script *script, enum event event)
{
	/* Older filters do not know DATA, whatever they answer. */
	return (script->steps & declined[event]) == 0 && (event != E_DATA || script->version >= 4);
}

static void put_envelope(struct sequence *to, const struct script *script, const char *const lists[7],
	enum event event, unsigned number)
{
	size_t start;

	/* These macros are sent for declined events, too. */
	if (event != E_DATA || script->version >= 4)
		put_macros(to, lists, event, number);
	if (!wanted(script, event))
		return;
	start = begin(to, letters[event]);
	switch (event)
	{
	  case E_CONNECT:
		put_string(to, "client.example.org");
		put(to, "4\x9c\xbb", 3);
		put_string(to, "192.0.2.7");
		break;
	  case E_HELO:
		put_string(to, "client.example.org");
		break;
	  case E_MAIL:
		put_string(to, "<alice@example.org>");
		put_string(to, "SIZE=12345");
		put_string(to, "BODY=8BITMIME");
		break;
	  case E_RCPT:
		put(to, "<", 1);
		put(to, recipient(number), strlen(recipient(number)));
		put_string(to, ">");
		break;
	  default:
		break;
	}
	end(to, start);
	add_step(to, script, event);
}

static void put_content(struct sequence *to, const struct script *script, const char *const lists[7])
{
	unsigned i;
	size_t at, start;

	if (wanted(script, E_HEADER))
	{
		for (i = 0; i < settings.headers; i++)
		{
			put_macros(to, lists, E_HEADER, 0);
			start = begin(to, 'L');
			put_string(to, fields[i].name);
			if ((script->steps & STEP_HDR_LEADSPC) != 0)
				put(to, " ", 1);
			put_string(to, fields[i].value);
			end(to, start);
			add_step(to, script, E_HEADER);
		}
	}
	if (wanted(script, E_EOH))
	{
		put_macros(to, lists, E_EOH, 0);
		frame(to, 'N');
		add_step(to, script, E_EOH);
	}
	if (wanted(script, E_BODY))
	{
		for (at = 0; at < settings.body; at += CHUNK)
		{
			size_t size = settings.body - at < CHUNK ? settings.body - at : CHUNK;

			put_macros(to, lists, E_BODY, 0);
			start = begin(to, 'B');
			put(to, message_body + at, size);
			end(to, start);
			add_step(to, script, E_BODY);
		}
	}
	put_macros(to, lists, E_EOM, 0);
	frame(to, 'E');
	add_step(to, script, E_EOM);
}

static void put_message(struct sequence *to, const struct script *script, const char *const lists[7], int first)
{
	unsigned i;

	if (first)
	{
		put_envelope(to, script, lists, E_CONNECT, 0);
		put_envelope(to, script, lists, E_HELO, 0);
	}
	/* Postfix lets ABORT wait for company: it goes out with what follows. */
	else
		frame(to, 'A');
	put_envelope(to, script, lists, E_MAIL, 0);
	for (i = 0; i < settings.recipients; i++)
		put_envelope(to, script, lists, E_RCPT, i);
	put_envelope(to, script, lists, E_DATA, 0);
	to->handed_over = to->size;
	put_content(to, script, lists);
}

unsigned char *offer(size_t *size)
{
	static struct sequence bytes;

	if (bytes.size == 0)
	{
		uint32_t numbers[3] = { htonl(6), htonl(ALL_ACTIONS), htonl(ALL_STEPS) };
		size_t start = begin(&bytes, 'O');

		put(&bytes, numbers, sizeof numbers);
		end(&bytes, start);
	}
	*size = bytes.size;
	return bytes.bytes;
}

static unsigned number_at(const unsigned char *bytes)
{
	uint32_t number;

	memcpy(&number, bytes, 4);
	return ntohl(number);
}

const struct script *script_for(const unsigned char *answer, size_t size)
{
	static struct script *all;
	struct script *script;
	const char *lists[7] = { NULL };
	size_t at;

	/* A filter gives all connections the same answer; it could do otherwise. */
	for (script = all; script != NULL; script = script->other)
	{
		if (script->answer_size == size && memcmp(script->answer, answer, size) == 0)
			return script;
	}
	if (size < 12)
		fail("the answer to the negotiation has %zu bytes", size);
	script = must(calloc(1, sizeof *script));
	script->answer = must(malloc(size));
	memcpy(script->answer, answer, size);
	script->answer_size = size;
	script->version = number_at(answer);
	script->actions = number_at(answer + 4);
	script->steps = number_at(answer + 8);
	if (script->version < 2 || script->version > 6 || (script->actions & ~ALL_ACTIONS) != 0 ||
	    (script->steps & ~ALL_STEPS) != 0)
		fail("the filter wants version %u, actions 0x%x, steps 0x%x, which were not offered",
			script->version, script->actions, script->steps);
	for (at = 12; at < size; )
	{
		const unsigned char *nul;
		unsigned stage;

		if (size - at < 5 || (nul = memchr(answer + at + 4, 0, size - at - 4)) == NULL)
			fail("the filter's lists of macros are cut off");
		if ((stage = number_at(answer + at)) > 6)
			fail("the filter asks for macros at a stage %u", stage);
		lists[stage] = (const char *) script->answer + at + 4;
		at = (size_t) (nul - answer) + 1;
	}
	put_message(&script->first, script, lists, 1);
	put_message(&script->next, script, lists, 0);
	script->other = all;
	return all = script;
}
