/*
 * load.h: what the three parts of the load generator share. script.c knows what is sent, check.c what may
 * come back, load.c has the connections, the clock and the report.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stddef.h>
#include <stdint.h>

/* The events of an SMTP session, in their order. */
enum event { E_CONNECT, E_HELO, E_MAIL, E_RCPT, E_DATA, E_HEADER, E_EOH, E_BODY, E_EOM, EVENTS };

/* What a filter may have negotiated (libmilter/mfapi.h has the same numbers). */
#define ALL_ACTIONS 0x1ffu
#define ALL_STEPS 0x1fffffu
#define STEP_SKIP 0x400u
#define STEP_HDR_LEADSPC 0x100000u
#define CHUNK 65535u

struct settings {
	const char *address;
	const char *workload;
	const char *message;		/* a file that is sent in the place of the usual message; or NULL */
	unsigned connections;
	unsigned per_connection;	/* messages on each connection */
	uint64_t messages;		/* in all; 0: as many as fit into `seconds` */
	double seconds, warm_up;
	double timeout;			/* without any answer, before the run has failed */
	unsigned headers, recipients, edits;
	size_t body;
	int hold;			/* one message on each connection, then silence */
	int quit_answer;		/* one answer to QUIT is forgiven */
	int like_postfix;		/* sockets are used as Postfix uses them */
	int spin;			/* never sleeps */
};
extern struct settings settings;

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *must(void *memory);

/* ---- script.c */

/* One event: its bytes end here, and those of the next begin. Macros are part of the event they go with. */
struct step {
	size_t end;
	unsigned char event;
	unsigned char answered;
};

/* Everything that is sent for one message, one piece of memory, so that any run of events is one write. */
struct sequence {
	unsigned char *bytes;
	size_t size, room;
	struct step *steps;
	size_t count, steps_room;
	size_t handed_over;	/* where Postfix flushes: smtpd gives the connection to cleanup */
};

/* What follows from one answer to the negotiation. */
struct script {
	unsigned char *answer;	/* the payload it was made for */
	size_t answer_size;
	unsigned version, actions, steps;
	struct sequence first, next;	/* a connection's first message, and each after it */
	struct script *other;
};

extern const char *const event_names[EVENTS];
extern unsigned char *message_body;	/* settings.body bytes */
unsigned char *offer(size_t *size);
void make_message(void);
const struct script *script_for(const unsigned char *answer, size_t size);

/* ---- check.c */

/* What has come back for the message that is under way. */
struct seen {
	unsigned added, fields, sizes, changed, removed, wanted;
	int body;		/* whether a body has begun */
	size_t body_bytes;
};

enum outcome { GO_ON, MORE, SKIP, OVER, RECIPIENT_REFUSED };

void check_setup(void);
/* A whole answer to `event`; `code` is its letter. Fails if it is not what the workload wants. */
enum outcome check_reply(struct seen *seen, const struct script *script, enum event event, unsigned char code,
	const unsigned char *payload, size_t size);
/* Some bytes of a new body, which is not kept as a whole. */
void check_body(struct seen *seen, const unsigned char *bytes, size_t size);

extern uint64_t verdicts[256], edit_frames;

#endif
