/*
 * load.c: plays Postfix 3.7's side of the milter protocol on many connections at a time, as fast as the filter
 * answers, and checks every answer. One thread, one epoll loop; each run of events up to one that is answered
 * is one write. Prints one line of JSON.
 *
 *     cc -O2 -o load load.c script.c check.c
 *     load --workload addheader --connections 20 --seconds 5 unix:/run/filter.sock
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "load.h"

struct settings settings = {
	.workload = "any", .connections = 20, .per_connection = 10, .timeout = 30,
	.headers = 20, .recipients = 1, .body = 10240,
};

enum state { CLOSED, RETRY, CONNECTING, NEGOTIATING, WAITING, HELD, LEAVING, DONE };

struct client {
	int fd, watching_output;
	enum state state;
	const struct script *script;
	const struct sequence *sequence;
	size_t step;			/* the event that is to be answered next */
	unsigned messages, refused;	/* on this connection; recipients of this message */
	struct seen seen;
	double began;			/* when this message did; 0 before */
	const unsigned char *out, *cut;	/* what is still to be written; where a write has to end */
	size_t out_left;
	unsigned char head[5], *frame;	/* an answer that has come in part */
	size_t have, frame_room;
};

static struct client *clients, *current;
static struct sockaddr_storage peer;
static socklen_t peer_size;
static int poller, retrying;
static volatile sig_atomic_t told_to_stop;
static unsigned living, held;

/* What the report is made of: since the warm-up, until the end of the time. */
static struct {
	double from, to;
	uint64_t messages;
	struct rusage usage;
	double idle;
} window;
/* From beginning to end: messages that are cut in two by the window would falsify what one of them takes. */
static struct {
	uint64_t messages, round_trips, sent, received, writes, reads;
} total;
static struct rusage usage_at_end;
static double idle_at_end;
static uint32_t *latencies;
static size_t latency_count, latency_room;
static uint64_t claimed;
static double deadline, last_answer, idle;
static int warming, over;

_Noreturn void fail(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fprintf(stderr, "load: ");
	if (current != NULL)
		fprintf(stderr, "connection %u, message %u: ", (unsigned) (current - clients), current->messages + 1);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

void *must(void *memory)
{
	if (memory == NULL)
		fail("out of memory");
	return memory;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

/* ---- addresses as libmilter spells them */

static void find_peer(const char *address)
{
	struct sockaddr_un *un = (struct sockaddr_un *) &peer;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	const char *rest = strchr(address, ':');
	char port[16];
	size_t length;
	int error;

	if (*address == '/' || strncmp(address, "unix:", 5) == 0 || strncmp(address, "local:", 6) == 0)
	{
		const char *path = *address == '/' ? address : rest + 1;

		if (strlen(path) >= sizeof un->sun_path)
			fail("the path is too long: %s", path);
		un->sun_family = AF_UNIX;
		strcpy(un->sun_path, path);
		peer_size = sizeof *un;
		return;
	}
	if (strncmp(address, "inet:", 5) == 0)
		hints.ai_family = AF_INET;
	else if (strncmp(address, "inet6:", 6) == 0)
		hints.ai_family = AF_INET6;
	else
		fail("not an address: %s (inet:port@host, inet6:port@host, unix:path)", address);
	length = strcspn(++rest, "@");
	if (length == 0 || length >= sizeof port)
		fail("no port: %s", address);
	memcpy(port, rest, length);
	port[length] = '\0';
	rest = rest[length] == '@' ? rest + length + 1 : "localhost";
	if ((error = getaddrinfo(rest, port, &hints, &found)) != 0)
		fail("%s: %s", rest, gai_strerror(error));
	memcpy(&peer, found->ai_addr, found->ai_addrlen);
	peer_size = found->ai_addrlen;
	freeaddrinfo(found);
}

/* ---- connections */

static void watch(struct client *client, int operation, int output)
{
	struct epoll_event event = { .events = EPOLLIN | (output ? EPOLLOUT : 0), .data.ptr = client };

	client->watching_output = output;
	if (epoll_ctl(poller, operation, client->fd, &event) != 0)
		fail("epoll_ctl: %s", strerror(errno));
}

static void flush(struct client *client)
{
	/* Postfix's buffers: 4 KB, and for TCP twice what a segment holds. */
	size_t piece = !settings.like_postfix ? SIZE_MAX : peer.ss_family == AF_UNIX ? 4096 : 131072;

	while (client->out_left > 0)
	{
		size_t size = client->out_left < piece ? client->out_left : piece;
		ssize_t sent;

		if (client->cut > client->out && size > (size_t) (client->cut - client->out))
			size = (size_t) (client->cut - client->out);
		sent = send(client->fd, client->out, size, MSG_NOSIGNAL);
		total.writes++;
		if (sent < 0)
		{
			if (errno != EAGAIN && errno != EINTR)
				fail("writing: %s", strerror(errno));
			if (!client->watching_output)
				watch(client, EPOLL_CTL_MOD, 1);
			return;
		}
		client->out += sent;
		client->out_left -= (size_t) sent;
		total.sent += (uint64_t) sent;
	}
	if (client->watching_output)
		watch(client, EPOLL_CTL_MOD, 0);
}

static void put(struct client *client, const unsigned char *bytes, size_t size)
{
	client->out = bytes;
	client->out_left = size;
	flush(client);
}

static void open_connection(struct client *client)
{
	int on = 1;

	client->messages = 0;
	client->have = 0;
	client->out_left = 0;
	client->watching_output = 0;
	client->fd = socket(peer.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		fail("socket: %s", strerror(errno));
	/* Postfix leaves Nagle's algorithm on; here it would measure the timers of the kernel. */
	if (peer.ss_family != AF_UNIX && !settings.like_postfix)
		setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(client->fd, (struct sockaddr *) &peer, peer_size) == 0)
	{
		size_t size;
		const unsigned char *bytes = offer(&size);

		client->state = NEGOTIATING;
		watch(client, EPOLL_CTL_ADD, 0);
		put(client, bytes, size);
		return;
	}
	if (errno == EINPROGRESS)
	{
		client->state = CONNECTING;
		watch(client, EPOLL_CTL_ADD, 1);
		return;
	}
	/* The queue of a unix socket is full. */
	if (errno != EAGAIN)
		fail("connecting to %s: %s", settings.address, strerror(errno));
	close(client->fd);
	client->state = RETRY;
	retrying = 1;
}

static void connected(struct client *client)
{
	int error = 0;
	socklen_t length = sizeof error;
	size_t size;
	const unsigned char *bytes = offer(&size);

	getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error != 0)
		fail("connecting to %s: %s", settings.address, strerror(error));
	client->state = NEGOTIATING;
	put(client, bytes, size);
}

/* ---- messages */

/* Whether there is another message to be sent; it is the caller's then. */
static int claim(void)
{
	if (settings.hold)
		return 1;
	if (told_to_stop || over)
		return 0;
	if (warming || settings.messages == 0)
		return 1;
	if (claimed == settings.messages)
		return 0;
	claimed++;
	return 1;
}

/* Sends the events from `from` on, up to the first that is answered. */
static void send_events(struct client *client, size_t from)
{
	const struct sequence *sequence = client->sequence;
	size_t last = from, start = from == 0 ? 0 : sequence->steps[from - 1].end;

	while (!sequence->steps[last].answered)
		last++;
	client->step = last;
	if (client->began == 0 && sequence->steps[last].event >= E_MAIL)
		client->began = now();
	total.round_trips++;
	put(client, sequence->bytes + start, sequence->steps[last].end - start);
}

static void begin_message(struct client *client)
{
	client->sequence = client->messages == 0 ? &client->script->first : &client->script->next;
	client->cut = settings.like_postfix ? client->sequence->bytes + client->sequence->handed_over : NULL;
	client->began = 0;
	client->refused = 0;
	memset(&client->seen, 0, sizeof client->seen);
	client->state = WAITING;
	send_events(client, 0);
}

static void leave(struct client *client)
{
	static const unsigned char goodbye[] = "\0\0\0\1A\0\0\0\1A\0\0\0\1Q";

	client->state = LEAVING;
	put(client, goodbye, sizeof goodbye - 1);
}

static void end_message(struct client *client)
{
	double time = now();

	client->messages++;
	total.messages++;
	if (!over && client->began >= window.from)
	{
		if (latency_count == latency_room)
		{
			latency_room = 2 * latency_room + 65536;
			latencies = must(realloc(latencies, latency_room * sizeof *latencies));
		}
		latencies[latency_count++] = (uint32_t) ((time - client->began) * 1e6);
	}
	if (!over)
		window.messages++;
	if (settings.hold)
	{
		client->state = HELD;
		held++;
	}
	else if (client->messages < settings.per_connection && claim())
		begin_message(client);
	else
		leave(client);
}

static void answered(struct client *client, unsigned char code, const unsigned char *payload, size_t size)
{
	const struct step *steps;
	enum event event;

	if (client->out_left > 0)
		fail("answer '%c' before the question was out", code);
	if (client->state == NEGOTIATING)
	{
		if (code != 'O')
			fail("answer '%c' to the negotiation", code);
		client->script = script_for(payload, size);
		begin_message(client);
		return;
	}
	if (client->state == LEAVING && settings.quit_answer && code == 'c')
		return;
	if (client->state != WAITING)
		fail("answer '%c' that nobody asked for%s", code, client->state == LEAVING ? ", after QUIT" : "");
	steps = client->sequence->steps;
	event = steps[client->step].event;
	switch (check_reply(&client->seen, client->script, event, code, payload, size))
	{
	  case MORE:
		break;
	  case GO_ON:
		send_events(client, client->step + 1);
		break;
	  case SKIP:
	  {
		size_t step = client->step;

		while (steps[step].event == event)
			step++;
		send_events(client, step);
		break;
	  }
	  case RECIPIENT_REFUSED:
		if (++client->refused < settings.recipients)
		{
			send_events(client, client->step + 1);
			break;
		}
		verdicts[code]++;
		/* FALLTHROUGH */
	  case OVER:
		/* A connection that was refused has had its message, too, or the run would not end. */
		if (event < E_MAIL)
		{
			client->began = now();
			client->messages = settings.per_connection;
		}
		end_message(client);
		break;
	}
}

/* Whole answers are read where they lie; new bodies are looked at as they come; the rest is put together. */
static void received(struct client *client, const unsigned char *bytes, size_t size)
{
	while (size > 0)
	{
		size_t length, take;

		if (client->have == 0 && size >= 5)
		{
			length = (size_t) bytes[0] << 24 | (size_t) bytes[1] << 16 | (size_t) bytes[2] << 8 | bytes[3];
			if (length > 0 && size >= 4 + length && bytes[4] != 'b')
			{
				answered(client, bytes[4], bytes + 5, length - 1);
				bytes += 4 + length;
				size -= 4 + length;
				continue;
			}
		}
		if (client->have < 5)
		{
			take = 5 - client->have < size ? 5 - client->have : size;
			memcpy(client->head + client->have, bytes, take);
			client->have += take;
			bytes += take;
			size -= take;
			if (client->have < 5)
				return;
		}
		length = (size_t) client->head[0] << 24 | (size_t) client->head[1] << 16 |
			(size_t) client->head[2] << 8 | client->head[3];
		if (length == 0 || length > CHUNK + 1)
			fail("an answer of %zu bytes", length);
		take = 4 + length - client->have;
		if (take > size)
			take = size;
		if (client->head[4] == 'b' && client->state == WAITING)
			check_body(&client->seen, bytes, take);
		else
		{
			if (client->frame_room < length)
				client->frame = must(realloc(client->frame, client->frame_room = length));
			memcpy(client->frame + client->have - 5, bytes, take);
		}
		client->have += take;
		bytes += take;
		size -= take;
		if (client->have < 4 + length)
			return;
		client->have = 0;
		answered(client, client->head[4], client->frame, length - 1);
	}
}

static void closed(struct client *client, const char *how)
{
	if (client->state == NEGOTIATING)
		fail("the filter closed the connection at the negotiation%s", how);
	if (client->state == WAITING)
		fail("the filter closed the connection and left %s without an answer%s",
			event_names[client->sequence->steps[client->step].event], how);
	if (client->state == HELD)
		fail("the filter closed a connection that was idle%s", how);
	if (client->have > 0)
		fail("the filter closed the connection in the middle of an answer");
	close(client->fd);
	client->state = CLOSED;
	if (!settings.hold && claim())
		open_connection(client);
	else
	{
		client->state = DONE;
		living--;
	}
}

static void readable(struct client *client)
{
	static unsigned char buffer[262144];
	ssize_t size = recv(client->fd, buffer, sizeof buffer, 0);

	total.reads++;
	if (size > 0)
	{
		total.received += (uint64_t) size;
		received(client, buffer, (size_t) size);
	}
	else if (size == 0)
		closed(client, "");
	else if (errno == ECONNRESET || errno == EPIPE)
		closed(client, " (reset)");
	else if (errno != EAGAIN && errno != EINTR)
		fail("reading: %s", strerror(errno));
}

/* ---- the run */

static void end_window(double time)
{
	window.to = time;
	getrusage(RUSAGE_SELF, &usage_at_end);
	idle_at_end = idle;
	over = 1;
}

static void begin_window(double time)
{
	double from = time;

	memset(&window, 0, sizeof window);
	memset(verdicts, 0, sizeof verdicts);
	latency_count = 0;
	window.from = from;
	getrusage(RUSAGE_SELF, &window.usage);
	window.idle = idle;
	warming = 0;
	deadline = settings.seconds > 0 ? time + settings.seconds : 0;
}

static void check_progress(double time)
{
	unsigned i;

	if (time - last_answer < settings.timeout || held == living)
		return;
	for (i = 0; i < settings.connections; i++)
	{
		current = &clients[i];
		if (current->state == CONNECTING || current->state == RETRY)
			fail("cannot connect for %.0f s", settings.timeout);
		if (current->state == NEGOTIATING)
			fail("no answer to the negotiation for %.0f s", settings.timeout);
		if (current->state == WAITING)
			fail("no answer to %s for %.0f s", event_names[current->sequence->steps[current->step].event],
				settings.timeout);
		if (current->state == LEAVING)
			fail("the connection is not closed after QUIT for %.0f s", settings.timeout);
	}
	current = NULL;
}

static void run(void)
{
	struct epoll_event events[512];
	double time = now(), start = time, before;
	int announced = 0, count, i;

	last_answer = time;
	warming = settings.warm_up > 0;
	if (!warming)
		begin_window(time);
	living = settings.connections;
	for (i = 0; i < (int) settings.connections; i++)
	{
		current = &clients[i];
		if (claim())
			open_connection(current);
		else
		{
			current->state = DONE;
			living--;
		}
	}
	while (living > 0)
	{
		/*
		 * A sleeping process must be woken up, and the writer pays for it: on a virtual machine it is
		 * a third of a server's time, and more if the generator is faster.
		 */
		before = now();
		count = epoll_wait(poller, events, sizeof events / sizeof *events,
			settings.spin ? 0 : retrying ? 1 : 20);
		time = now();
		if (count == 0)
			idle += time - before;
		if (warming && time - start >= settings.warm_up)
			begin_window(time);
		if (!warming && !over && deadline > 0 && time >= deadline)
			end_window(time);
		if (count > 0)
			last_answer = time;
		for (i = 0; i < count; i++)
		{
			current = events[i].data.ptr;
			/* Standard input has ended, or will be left alone. */
			if (current == NULL)
			{
				char ignored[64];

				if (read(0, ignored, sizeof ignored) <= 0)
				{
					told_to_stop = 1;
					epoll_ctl(poller, EPOLL_CTL_DEL, 0, NULL);
				}
				continue;
			}
			if (current->state == CONNECTING)
			{
				connected(current);
				continue;
			}
			if ((events[i].events & EPOLLOUT) != 0)
				flush(current);
			if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
				readable(current);
		}
		if (retrying)
		{
			retrying = 0;
			for (i = 0; i < (int) settings.connections; i++)
			{
				current = &clients[i];
				if (current->state == RETRY)
					open_connection(current);
			}
		}
		if (settings.hold && held == settings.connections && !announced)
		{
			announced = 1;
			end_window(time);
			printf("{\"holding\":%u}\n", held);
			fflush(stdout);
		}
		if (announced && told_to_stop && held > 0)
		{
			for (i = 0; i < (int) settings.connections; i++)
			{
				current = &clients[i];
				if (current->state == HELD)
					leave(current);
			}
			held = 0;
		}
		check_progress(time);
		if (told_to_stop && !over && !settings.hold)
			end_window(time);
	}
	current = NULL;
	if (!over)
		end_window(now());
}

static int ascending(const void *one, const void *other)
{
	uint32_t a = *(const uint32_t *) one, b = *(const uint32_t *) other;

	return (a > b) - (a < b);
}

static double percentile(double share)
{
	size_t at = (size_t) (share * (double) latency_count);

	if (latency_count == 0)
		return 0;
	return latencies[at < latency_count ? at : latency_count - 1] / 1000.0;
}

static double seconds_of(struct timeval time)
{
	return (double) time.tv_sec + (double) time.tv_usec / 1e6;
}

static void print_string(const char *name, const char *text)
{
	printf("\"%s\":\"", name);
	for (; *text != '\0'; text++)
	{
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	printf("\",");
}

static void report(void)
{
	static const struct { char code; const char *name; } names[] = {
		{ 'c', "continue" }, { 'a', "accept" }, { 'r', "reject" }, { 't', "tempfail" }, { 'd', "discard" },
		{ 'y', "reply" }
	};
	double seconds = window.to - window.from, cpu, each = total.messages > 0 ? (double) total.messages : 1;
	const struct script *script = clients[0].script;
	size_t i;
	int any = 0;

	/* Where it spins, what it did beside asking in vain. */
	cpu = settings.spin ? seconds - (idle_at_end - window.idle) :
		seconds_of(usage_at_end.ru_utime) + seconds_of(usage_at_end.ru_stime) -
		seconds_of(window.usage.ru_utime) - seconds_of(window.usage.ru_stime);
	if (latency_count > 0)
		qsort(latencies, latency_count, sizeof *latencies, ascending);
	putchar('{');
	print_string("address", settings.address);
	print_string("workload", settings.workload);
	printf("\"connections\":%u,\"messagesPerConnection\":%u,\"headers\":%u,\"body\":%zu,\"recipients\":%u,",
		settings.connections, settings.per_connection, settings.headers, settings.body, settings.recipients);
	printf("\"messages\":%" PRIu64 ",\"allMessages\":%" PRIu64 ",\"seconds\":%.6f,\"messagesPerSecond\":%.1f,",
		window.messages, total.messages, seconds, seconds > 0 ? (double) window.messages / seconds : 0);
	printf("\"latencyMs\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f},", percentile(0.5),
		percentile(0.9), percentile(0.99), percentile(1));
	printf("\"cpuShare\":%.3f,\"roundTrips\":%.2f,\"bytesSent\":%.0f,\"bytesReceived\":%.0f,",
		seconds > 0 ? cpu / seconds : 0, (double) total.round_trips / each, (double) total.sent / each,
		(double) total.received / each);
	printf("\"writes\":%.2f,\"reads\":%.2f,\"edits\":%.2f,", (double) total.writes / each,
		(double) total.reads / each, (double) edit_frames / each);
	if (script != NULL)
		printf("\"negotiated\":{\"version\":%u,\"actions\":%u,\"steps\":%u},", script->version,
			script->actions, script->steps);
	printf("\"verdicts\":{");
	for (i = 0; i < sizeof names / sizeof *names; i++)
	{
		if (verdicts[(unsigned char) names[i].code] > 0)
			printf("%s\"%s\":%" PRIu64, any++ ? "," : "", names[i].name,
				verdicts[(unsigned char) names[i].code]);
	}
	printf("}}\n");
}

/* ---- options */

static const char usage[] =
	"usage: load [options] ADDRESS\n"
	"ADDRESS is inet:port@host, inet6:port@host or unix:path\n"
	"  -w, --workload NAME         what the filter does: noop, addheader, addheader-nr, body, edits,\n"
	"                              any (the default: whatever it likes), dkim-sign, dkim-verify\n"
	"  -f, --message FILE          a message to send, in place of --headers and --body\n"
	"  -c, --connections N         at a time (20)\n"
	"  -m, --per-connection N      messages on each connection (10)\n"
	"  -n, --messages N            in all, after the warm-up\n"
	"  -s, --seconds S             instead of a number of messages (5)\n"
	"  -W, --warm-up S             seconds that do not count (0)\n"
	"  -H, --headers N             header fields of a message (20)\n"
	"  -b, --body BYTES            (10240)\n"
	"  -r, --recipients N          (1)\n"
	"  -e, --edits N               of the workload edits\n"
	"  -t, --timeout S             without any answer (30)\n"
	"      --hold                  one message on each connection, which then stays open and idle\n"
	"                              until standard input ends\n"
	"      --quit-answer           an answer to QUIT is no error\n"
	"      --spin                  asks for answers without end instead of sleeping until one is there;\n"
	"                              for a generator with a core of its own\n"
	"      --like-postfix          Nagle's algorithm, small writes: as Postfix uses its sockets\n";

static double number(const char *text, double minimum, double maximum)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= minimum && value <= maximum))
		fail("%s is not a number from %g to %g", text, minimum, maximum);
	return value;
}

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "message", required_argument, NULL, 'f' }, { "workload", required_argument, NULL, 'w' }, { "connections", required_argument, NULL, 'c' },
		{ "per-connection", required_argument, NULL, 'm' }, { "messages", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 's' }, { "warm-up", required_argument, NULL, 'W' },
		{ "headers", required_argument, NULL, 'H' }, { "body", required_argument, NULL, 'b' },
		{ "recipients", required_argument, NULL, 'r' }, { "edits", required_argument, NULL, 'e' },
		{ "timeout", required_argument, NULL, 't' }, { "hold", no_argument, &settings.hold, 1 },
		{ "quit-answer", no_argument, &settings.quit_answer, 1 },
		{ "like-postfix", no_argument, &settings.like_postfix, 1 },
		{ "spin", no_argument, &settings.spin, 1 },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 }
	};
	int option;

	while ((option = getopt_long(argc, argv, "f:w:c:m:n:s:W:H:b:r:e:t:h", options, NULL)) != -1)
	{
		switch (option)
		{
		  case 0: break;
		  case 'f': settings.message = optarg; break;
		  case 'w': settings.workload = optarg; break;
		  case 'c': settings.connections = (unsigned) number(optarg, 1, 100000); break;
		  case 'm': settings.per_connection = (unsigned) number(optarg, 1, 1e9); break;
		  case 'n': settings.messages = (uint64_t) number(optarg, 1, 1e15); break;
		  case 's': settings.seconds = number(optarg, 0.001, 1e6); break;
		  case 'W': settings.warm_up = number(optarg, 0, 1e6); break;
		  case 'H': settings.headers = (unsigned) number(optarg, 0, 1e6); break;
		  case 'b': settings.body = (size_t) number(optarg, 0, 1e9); break;
		  case 'r': settings.recipients = (unsigned) number(optarg, 1, 1e6); break;
		  case 'e': settings.edits = (unsigned) number(optarg, 0, 1e6); break;
		  case 't': settings.timeout = number(optarg, 0.1, 1e6); break;
		  case 'h': fputs(usage, stdout); exit(0);
		  default: fputs(usage, stderr); exit(2);
		}
	}
	if (optind != argc - 1)
	{
		fputs(usage, stderr);
		exit(2);
	}
	settings.address = argv[optind];
	if (settings.hold)
		settings.messages = 0, settings.seconds = 0;
	else if (settings.messages == 0 && settings.seconds == 0)
		settings.seconds = 5;
}

static void stop(int signal)
{
	(void) signal;
	told_to_stop = 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };
	struct rlimit files;

	read_options(argc, argv);
	check_setup();
	make_message();
	find_peer(settings.address);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
	{
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	clients = must(calloc(settings.connections, sizeof *clients));
	if ((poller = epoll_create1(EPOLL_CLOEXEC)) < 0)
		fail("epoll_create1: %s", strerror(errno));
	if (settings.hold)
	{
		/* A connection is known by its address; standard input has none. */
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

		/* A file cannot be waited for: it has ended. */
		if (epoll_ctl(poller, EPOLL_CTL_ADD, 0, &event) != 0)
			told_to_stop = 1;
	}
	run();
	report();
	return 0;
}
