/*
 * Sockets that listen, and who sits at the other end of an accepted one. No state; start and http thread.
 */
#ifndef SERVER_HTTP_LISTEN_H
#define SERVER_HTTP_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include "server/core/buf.h"
#include "server/core/scope.h"

#define HTTP_ADDRESS_MAX 64

struct http_listener {
	int fd;                      /* non-blocking, close-on-exec; -1: none */
	int port;                    /* 0 for a unix socket */
	char host[HTTP_ADDRESS_MAX]; /* http_local_host */
	char *unlink_path;           /* owned: the socket file to remove at the end, or NULL */
};

/* 0, or -errno with why: -EACCES when others than this machine could connect and allow_remote is false. */
int http_listen_open(const char *address, bool allow_remote, struct http_listener *ret, char *why,
                     size_t size) MUST_CHECK;
/* The same for a socket that listens already; takes fd over when it returns 0. */
int http_listen_adopt(int fd, bool allow_remote, struct http_listener *ret, char *why, size_t size) MUST_CHECK;
/* Closes it and removes its socket file. */
void http_listen_close(struct http_listener *l);

/* The host of the address that a socket has on this side, as a URL has it: IPv6 in brackets, IPv4 as such also when it
 * came in through IPv6. "": a unix socket, or every address. */
void http_local_host(int fd, char out[HTTP_ADDRESS_MAX]);
/* Appends where a socket listens, as --web.listen-address says it: "127.0.0.1:9595", "unix:/run/rollbackd/sock"; every
 * address as "*:9595". */
void http_listen_where(int fd, struct buf *b);
/* Uid of the process that connected to a unix socket; -1: not to be found out. */
int64_t http_peer_uid(int fd);
#endif
