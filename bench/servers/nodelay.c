/*
 * nodelay.c: turns off Nagle's algorithm on every connection a program accepts (LD_PRELOAD). libmilter leaves it
 * on and writes an edit and the verdict separately, so over TCP each edited message waits for a timer of the
 * kernel; with this the library itself can be compared.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>

int accept(int listener, struct sockaddr *address, socklen_t *size)
{
	static int (*real)(int, struct sockaddr *, socklen_t *);
	int fd, on = 1;

	if (real == NULL)
		real = (int (*)(int, struct sockaddr *, socklen_t *)) dlsym(RTLD_NEXT, "accept");
	if ((fd = real(listener, address, size)) >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}
