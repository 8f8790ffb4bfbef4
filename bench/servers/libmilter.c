/*
 * libmilter.c: the workloads on libmilter, each with the callbacks its users have.
 *
 *     libmilter ADDRESS WORKLOAD
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libmilter/mfapi.h>

/* What is collected of a message. */
struct message {
	unsigned char *header, *body;
	size_t header_size, header_room, body_size, body_room;
	unsigned fields;
};

static void keep(unsigned char **to, size_t *size, size_t *room, const void *bytes, size_t count)
{
	if (*size + count > *room)
	{
		*room = 2 * (*size + count);
		if ((*to = realloc(*to, *room)) == NULL)
			abort();
	}
	memcpy(*to + *size, bytes, count);
	*size += count;
}

/* ---- noop, and what addheader has but for its end */

static sfsistat go_on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *address) { return SMFIS_CONTINUE; }
static sfsistat go_on_line(SMFICTX *ctx, char *line) { return SMFIS_CONTINUE; }
static sfsistat go_on_unknown(SMFICTX *ctx, const char *line) { return SMFIS_CONTINUE; }
static sfsistat go_on_words(SMFICTX *ctx, char **words) { return SMFIS_CONTINUE; }
static sfsistat go_on_header(SMFICTX *ctx, char *name, char *value) { return SMFIS_CONTINUE; }
static sfsistat go_on_body(SMFICTX *ctx, unsigned char *chunk, size_t size) { return SMFIS_CONTINUE; }
static sfsistat go_on(SMFICTX *ctx) { return SMFIS_CONTINUE; }

/* ---- addheader */

static sfsistat add_eom(SMFICTX *ctx)
{
	return smfi_addheader(ctx, "X-Bench", "yes") == MI_SUCCESS ? SMFIS_ACCEPT : SMFIS_TEMPFAIL;
}

/* ---- addheader-nr */

static sfsistat silent_words(SMFICTX *ctx, char **words) { return SMFIS_NOREPLY; }
static sfsistat silent_header(SMFICTX *ctx, char *name, char *value) { return SMFIS_NOREPLY; }

static sfsistat silent_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
	unsigned long f3, unsigned long *pf0, unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	*pf0 = SMFIF_ADDHDRS;
	*pf1 = SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOEOH | SMFIP_NOBODY | SMFIP_NOUNKNOWN |
		SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_HDR;
	*pf2 = *pf3 = 0;
	return SMFIS_CONTINUE;
}

/* ---- body */

static sfsistat body_envfrom(SMFICTX *ctx, char **words)
{
	struct message *message = smfi_getpriv(ctx);

	if (message == NULL)
	{
		if ((message = calloc(1, sizeof *message)) == NULL)
			return SMFIS_TEMPFAIL;
		smfi_setpriv(ctx, message);
	}
	message->header_size = message->body_size = message->fields = 0;
	return SMFIS_CONTINUE;
}

static sfsistat body_header(SMFICTX *ctx, char *name, char *value)
{
	struct message *message = smfi_getpriv(ctx);

	keep(&message->header, &message->header_size, &message->header_room, name, strlen(name) + 1);
	keep(&message->header, &message->header_size, &message->header_room, value, strlen(value) + 1);
	message->fields++;
	return SMFIS_CONTINUE;
}

static sfsistat body_body(SMFICTX *ctx, unsigned char *chunk, size_t size)
{
	struct message *message = smfi_getpriv(ctx);

	keep(&message->body, &message->body_size, &message->body_room, chunk, size);
	return SMFIS_CONTINUE;
}

static sfsistat body_eom(SMFICTX *ctx)
{
	struct message *message = smfi_getpriv(ctx);
	char number[30];
	size_t at;

	snprintf(number, sizeof number, "%u", message->fields);
	smfi_addheader(ctx, "X-Bench-Fields", number);
	snprintf(number, sizeof number, "%zu", message->body_size);
	smfi_addheader(ctx, "X-Bench-Size", number);
	if (message->body_size > 0)
		message->body[0] = '#';
	for (at = 0; at < message->body_size; at += MILTER_CHUNK_SIZE)
	{
		size_t size = message->body_size - at;

		if (size > MILTER_CHUNK_SIZE)
			size = MILTER_CHUNK_SIZE;
		if (smfi_replacebody(ctx, message->body + at, (int) size) != MI_SUCCESS)
			return SMFIS_TEMPFAIL;
	}
	return SMFIS_ACCEPT;
}

static sfsistat body_close(SMFICTX *ctx)
{
	struct message *message = smfi_getpriv(ctx);

	if (message != NULL)
	{
		free(message->header);
		free(message->body);
		free(message);
		smfi_setpriv(ctx, NULL);
	}
	return SMFIS_CONTINUE;
}

int main(int argc, char **argv)
{
	static struct smfiDesc filters[] = {
		{ "noop", SMFI_VERSION, 0, go_on_connect, go_on_line, go_on_words, go_on_words, go_on_header, go_on,
			go_on_body, go_on, go_on, go_on, go_on_unknown, go_on, NULL },
		{ "addheader", SMFI_VERSION, SMFIF_ADDHDRS, NULL, NULL, go_on_words, go_on_words, go_on_header, NULL,
			NULL, add_eom, NULL, NULL, NULL, NULL, NULL },
		{ "addheader-nr", SMFI_VERSION, SMFIF_ADDHDRS, NULL, NULL, silent_words, silent_words, silent_header,
			NULL, NULL, add_eom, NULL, NULL, NULL, NULL, silent_negotiate },
		{ "body", SMFI_VERSION, SMFIF_ADDHDRS | SMFIF_CHGBODY, NULL, NULL, body_envfrom, NULL, body_header,
			NULL, body_body, body_eom, NULL, body_close, NULL, NULL, NULL },
	};
	size_t i;

	for (i = 0; argc == 3 && i < sizeof filters / sizeof *filters; i++)
	{
		if (strcmp(filters[i].xxfi_name, argv[2]) != 0)
			continue;
		if (smfi_setconn(argv[1]) != MI_SUCCESS || smfi_register(filters[i]) != MI_SUCCESS)
			return 1;
		return smfi_main() == MI_SUCCESS ? 0 : 1;
	}
	fputs("usage: libmilter ADDRESS WORKLOAD\n", stderr);
	return 2;
}
