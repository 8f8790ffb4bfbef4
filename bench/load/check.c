/*
 * check.c: what may come back. Anything a workload does not ask for ends the run: a benchmark of wrong answers
 * is none.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "load.h"

uint64_t verdicts[256], edit_frames;

/*
 * What servers do in a workload, by its name:
 * - adds: so many new fields
 * - body: the same one comes back, with a '#' for its first byte
 * - edits: of the first N fields the first of three is changed, the second deleted, and for the third a new
 *   one is added
 * - any: whatever the protocol allows
 * - field, text: whatever the protocol allows, and a field of that name with that text in it
 */
static const struct workload {
	const char *name;
	unsigned adds;
	int body, edits, any;
	const char *field, *text;
} workloads[] = {
	{ "noop", 0, 0, 0, 0, NULL, NULL },
	{ "addheader", 1, 0, 0, 0, NULL, NULL },
	{ "addheader-nr", 1, 0, 0, 0, NULL, NULL },
	{ "body", 2, 1, 0, 0, NULL, NULL },
	{ "edits", 0, 0, 1, 0, NULL, NULL },
	{ "any", 0, 0, 0, 1, NULL, NULL },
	{ "dkim-sign", 0, 0, 0, 1, "DKIM-Signature", "bh=" },
	{ "dkim-verify", 0, 0, 0, 1, "Authentication-Results", "dkim=pass" },
};
static const struct workload *workload;

void check_setup(void)
{
	size_t i;

	for (i = 0; i < sizeof workloads / sizeof *workloads; i++)
	{
		if (strcmp(workloads[i].name, settings.workload) == 0)
			workload = &workloads[i];
	}
	if (workload == NULL)
		fail("there is no workload %s: noop, addheader, addheader-nr, body, edits, any, dkim-sign, dkim-verify", settings.workload);
	if (workload->edits && settings.edits > settings.headers)
		fail("%u edits need as many header fields", settings.edits);
}

/* The next string of a payload; NULL if none is whole. */
static const char *string(const unsigned char **at, const unsigned char *end)
{
	const unsigned char *text = *at, *nul = text < end ? memchr(text, 0, (size_t) (end - text)) : NULL;

	if (nul == NULL)
		return NULL;
	*at = nul + 1;
	return (const char *) text;
}

static void check_added(struct seen *seen, const struct script *script, const char *name, const char *value)
{
	char expected[40];

	/* The filter writes the space itself if it was told so. */
	if ((script->steps & STEP_HDR_LEADSPC) != 0 && *value == ' ')
		value++;
	seen->added++;
	if (workload->field != NULL && strcmp(name, workload->field) == 0 && strstr(value, workload->text) != NULL)
		seen->wanted++;
	if (workload->any)
		return;
	if (workload->edits)
	{
		if (strcmp(name, "X-Added") != 0)
			fail("%s was added, not X-Added", name);
		return;
	}
	/* Their order tells nothing: an insertion may come before one that ends up above it. */
	if (workload->adds == 1 && strcmp(name, "X-Bench") == 0)
		strcpy(expected, "yes");
	else if (workload->body && strcmp(name, "X-Bench-Fields") == 0 && seen->fields++ == 0)
		snprintf(expected, sizeof expected, "%u", settings.headers);
	else if (workload->body && strcmp(name, "X-Bench-Size") == 0 && seen->sizes++ == 0)
		snprintf(expected, sizeof expected, "%zu", settings.body);
	else
		fail("%s: %s was added", name, value);
	if (seen->added > workload->adds)
		fail("%u fields were added, the last of them %s", seen->added, name);
	if (strcmp(value, expected) != 0)
		fail("%s: %s was added, not %s", name, value, expected);
}

static void check_edit(struct seen *seen, const struct script *script, unsigned char code,
	const unsigned char *payload, size_t size)
{
	/* What each edit needs to have negotiated. */
	static const struct { char code; unsigned action; } needs[] = {
		{ 'h', 0x1 }, { 'i', 0x1 }, { 'm', 0x10 }, { '+', 0x4 }, { '2', 0x80 }, { '-', 0x8 },
		{ 'e', 0x40 }, { 'q', 0x20 }, { 'b', 0x2 }
	};
	const unsigned char *at = payload, *end = payload + size;
	const char *name, *value;
	size_t i;

	for (i = 0; i < sizeof needs / sizeof *needs; i++)
	{
		if (needs[i].code == code && (script->actions & needs[i].action) == 0)
			fail("edit '%c' was not negotiated", code);
	}
	edit_frames++;
	/* Postfix takes anything between two pieces of a body for its end. */
	if (seen->body && code != 'b')
		fail("edit '%c' comes after the body", code);
	switch (code)
	{
	  case 'i':
	  case 'm':
		if (size < 4)
			fail("edit '%c' has no number", code);
		at += 4;
		/* FALLTHROUGH */
	  case 'h':
		name = string(&at, end);
		value = string(&at, end);
		if (name == NULL || value == NULL || at != end || *name == '\0')
			fail("edit '%c' is not a name and a value", code);
		if (code != 'm')
			check_added(seen, script, name, value);
		else if (*value == '\0')
			seen->removed++;
		else
			seen->changed++;
		if (code == 'm' && !workload->edits && !workload->any)
			fail("%s was changed", name);
		return;
	  case 'b':
		/* Its bytes have been checked as they came. */
		seen->body = 1;
		if (!workload->body && !workload->any)
			fail("the body was replaced");
		return;
	  default:
		if (string(&at, end) == NULL)
			fail("edit '%c' has no end", code);
		if (!workload->any)
			fail("edit '%c' (%s) was not asked for", code, payload);
		return;
	}
}

void check_body(struct seen *seen, const unsigned char *bytes, size_t size)
{
	size_t skip = 0;

	if (workload->any)
		return;
	if (size > settings.body - seen->body_bytes)
		fail("the new body is longer than the old one");
	if (seen->body_bytes == 0 && size > 0)
	{
		if (bytes[0] != '#')
			fail("the new body does not begin with #");
		skip = 1;
	}
	if (memcmp(bytes + skip, message_body + seen->body_bytes + skip, size - skip) != 0)
		fail("the new body differs from the old one within %zu bytes from %zu", size, seen->body_bytes);
	seen->body_bytes += size;
}

static void check_complete(const struct seen *seen)
{
	if (workload->field != NULL && seen->wanted == 0)
		fail("no %s with %s was added", workload->field, workload->text);
	if (workload->any)
		return;
	if (workload->edits)
	{
		unsigned third = settings.edits / 3, rest = settings.edits % 3;

		if (seen->changed != third + (rest > 0) || seen->removed != third + (rest > 1) ||
		    seen->added != third)
			fail("of %u edits came %u changes, %u deletions, %u additions", settings.edits,
				seen->changed, seen->removed, seen->added);
		return;
	}
	if (seen->added != workload->adds)
		fail("%u fields were added, not %u", seen->added, workload->adds);
	if (workload->body && seen->body_bytes != settings.body)
		fail("the new body has %zu bytes, not %zu", seen->body_bytes, settings.body);
}

enum outcome check_reply(struct seen *seen, const struct script *script, enum event event, unsigned char code,
	const unsigned char *payload, size_t size)
{
	if (code != '\0' && strchr("him+2-eqb", code) != NULL)
	{
		if (event != E_EOM)
			fail("edit '%c' in answer to %s", code, event_names[event]);
		check_edit(seen, script, code, payload, size);
		return MORE;
	}
	if (code != '\0' && strchr("cartdsp", code) != NULL && size != 0)
		fail("answer '%c' to %s has %zu bytes", code, event_names[event], size);
	switch (code)
	{
	  case 'p':
		if (event != E_EOM)
			fail("progress in answer to %s", event_names[event]);
		return MORE;
	  case 'c':
	  case 'a':
		if (event == E_EOM)
		{
			check_complete(seen);
			verdicts[code]++;
			return OVER;
		}
		if (code == 'c')
			return GO_ON;
		break;
	  case 's':
		if (event == E_BODY && (script->steps & STEP_SKIP) != 0)
			return SKIP;
		fail("skip in answer to %s", event_names[event]);
	  case 'r':
	  case 't':
	  case 'y':
		if (workload->any && event == E_RCPT)
			return RECIPIENT_REFUSED;
		break;
	  case 'd':
		break;
	  default:
		fail("answer 0x%02x to %s", code, event_names[event]);
	}
	if (!workload->any)
		fail("answer '%c' to %s", code, event_names[event]);
	verdicts[code]++;
	return OVER;
}
