/*
 * floor.c: the least a filter can do. An epoll loop that looks at the lengths and letters of frames and nothing
 * else, with one write for each read: what is left is the cost of the kernel. Header and body are kept only for
 * the workload that collects them.
 *
 *     floor ADDRESS WORKLOAD
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct bytes {
	unsigned char *at;
	size_t size, room;
};

struct connection {
	int fd;
	unsigned fields;
	unsigned char head[5];
	size_t have, left;		/* of a frame: bytes of its head, bytes still to come */
	struct bytes header, body, out;
	size_t written;
};

static int poller, with_body, adds;
static uint32_t actions, steps;
static unsigned char answers[256];

static void put(struct bytes *to, const void *from, size_t size)
{
	if (to->size + size > to->room)
	{
		to->room = 2 * (to->size + size);
		if ((to->at = realloc(to->at, to->room)) == NULL)
			abort();
	}
	memcpy(to->at + to->size, from, size);
	to->size += size;
}

static void put_frame(struct bytes *to, char letter, const void *payload, size_t size)
{
	uint32_t length = htonl((uint32_t) size + 1);

	put(to, &length, 4);
	put(to, &letter, 1);
	if (size > 0)
		put(to, payload, size);
}

static void put_field(struct bytes *to, const char *name, const char *value)
{
	char field[100];
	int size = snprintf(field, sizeof field, "%s%c%s", name, '\0', value);

	put_frame(to, 'h', field, (size_t) size + 1);
}

static void end_of_message(struct connection *connection)
{
	char number[20];
	size_t at;

	if (with_body)
	{
		snprintf(number, sizeof number, "%u", connection->fields);
		put_field(&connection->out, "X-Bench-Fields", number);
		snprintf(number, sizeof number, "%zu", connection->body.size);
		put_field(&connection->out, "X-Bench-Size", number);
		if (connection->body.size > 0)
			connection->body.at[0] = '#';
		for (at = 0; at < connection->body.size; at += 65535)
		{
			size_t size = connection->body.size - at;

			put_frame(&connection->out, 'b', connection->body.at + at, size < 65535 ? size : 65535);
		}
	}
	else if (adds)
		put_field(&connection->out, "X-Bench", "yes");
	put_frame(&connection->out, with_body || adds ? 'a' : 'c', NULL, 0);
	connection->fields = 0;
	connection->header.size = connection->body.size = 0;
}

/* A frame is complete; what it says does not matter. Answers 0 at the end of the connection. */
static int frame(struct connection *connection)
{
	unsigned char letter = connection->head[4];

	if (letter == 'Q')
		return 0;
	if (letter == 'L')
		connection->fields++;
	if (letter == 'O')
	{
		uint32_t numbers[3] = { htonl(6), htonl(actions), htonl(steps) };

		put_frame(&connection->out, 'O', numbers, sizeof numbers);
	}
	else if (letter == 'E')
		end_of_message(connection);
	else if (answers[letter])
		put_frame(&connection->out, 'c', NULL, 0);
	return 1;
}

static int received(struct connection *connection, const unsigned char *bytes, size_t size)
{
	while (size > 0)
	{
		size_t take;

		if (connection->have < 5)
		{
			take = 5 - connection->have < size ? 5 - connection->have : size;
			memcpy(connection->head + connection->have, bytes, take);
			connection->have += take;
			bytes += take;
			size -= take;
			if (connection->have < 5)
				break;
			connection->left = ((size_t) connection->head[0] << 24 | (size_t) connection->head[1] << 16 |
				(size_t) connection->head[2] << 8 | connection->head[3]) - 1;
		}
		take = connection->left < size ? connection->left : size;
		if (with_body && connection->head[4] == 'B')
			put(&connection->body, bytes, take);
		if (with_body && connection->head[4] == 'L')
			put(&connection->header, bytes, take);
		bytes += take;
		size -= take;
		connection->left -= take;
		if (connection->left > 0)
			break;
		connection->have = 0;
		if (!frame(connection))
			return 0;
	}
	return 1;
}

static void end(struct connection *connection)
{
	close(connection->fd);
	free(connection->header.at);
	free(connection->body.at);
	free(connection->out.at);
	free(connection);
}

static int written(struct connection *connection, int waited)
{
	struct bytes *out = &connection->out;
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = connection };

	while (connection->written < out->size)
	{
		ssize_t size = send(connection->fd, out->at + connection->written, out->size - connection->written,
			MSG_NOSIGNAL);

		if (size < 0 && errno != EAGAIN)
			return 0;
		if (size < 0)
		{
			if (!waited)
				epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event);
			return 1;
		}
		connection->written += (size_t) size;
	}
	connection->written = out->size = 0;
	event.events = EPOLLIN;
	if (waited)
		epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event);
	return 1;
}

static void serve(struct connection *connection, uint32_t events)
{
	static unsigned char buffer[262144];
	ssize_t size;

	if ((events & EPOLLOUT) != 0)
	{
		if (!written(connection, 1))
			end(connection);
		return;
	}
	size = recv(connection->fd, buffer, sizeof buffer, 0);
	if (size < 0 && errno == EAGAIN)
		return;
	if (size <= 0 || !received(connection, buffer, (size_t) size) || !written(connection, 0))
		end(connection);
}

static int listen_on(const char *address)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET };
	int on = 1, fd;

	if (strncmp(address, "unix:", 5) == 0)
	{
		snprintf(un.sun_path, sizeof un.sun_path, "%s", address + 5);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (bind(fd, (struct sockaddr *) &un, sizeof un) != 0)
			return -1;
	}
	else
	{
		/* inet:port@127.0.0.1 */
		in.sin_port = htons((uint16_t) atoi(address + 5));
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		if (bind(fd, (struct sockaddr *) &in, sizeof in) != 0)
			return -1;
	}
	return listen(fd, 511) == 0 ? fd : -1;
}

static void accept_all(int listener)
{
	int fd, on = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
	{
		struct connection *connection = calloc(1, sizeof *connection);
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };

		if (connection == NULL)
			abort();
		connection->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
	}
}

int main(int argc, char **argv)
{
	struct epoll_event events[512], event = { .events = EPOLLIN, .data.ptr = NULL };
	const char *workload = argc == 3 ? argv[2] : "";
	int listener, count, i;

	memset(answers, 0, sizeof answers);
	for (i = 0; i < 8; i++)
		answers[(unsigned char) "CHMRTLNB"[i]] = 1;
	if (strcmp(workload, "addheader") == 0 || strcmp(workload, "addheader-nr") == 0)
	{
		adds = 1;
		actions = 0x1;
		/* All but MAIL, RCPT and HEADER are declined. */
		steps = 0x1 | 0x2 | 0x10 | 0x40 | 0x100 | 0x200;
		if (workload[9] != '\0')
		{
			steps |= 0x80 | 0x4000 | 0x8000;
			answers['M'] = answers['R'] = answers['L'] = 0;
		}
	}
	else if (strcmp(workload, "body") == 0)
	{
		with_body = 1;
		actions = 0x3;
		/* All but MAIL, HEADER and BODY. */
		steps = 0x1 | 0x2 | 0x8 | 0x40 | 0x100 | 0x200;
	}
	else if (strcmp(workload, "noop") != 0)
		return 2;
	if ((listener = listen_on(argv[1])) < 0)
	{
		perror(argv[1]);
		return 1;
	}
	poller = epoll_create1(0);
	epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
	for (;;)
	{
		count = epoll_wait(poller, events, 512, -1);
		for (i = 0; i < count; i++)
		{
			if (events[i].data.ptr == NULL)
				accept_all(listener);
			else
				serve(events[i].data.ptr, events[i].events);
		}
	}
}
