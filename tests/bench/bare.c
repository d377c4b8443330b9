/*
 * bare: libmicrohttpd with nothing behind it, the limit of what any server on it can do. Reads each body, answers 200
 * with as many bytes as rollbackd's answer has. `bare PORT` runs until its standard input ends.
 */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char answer[] =
	"{\"status\":\"success\",\"data\":{\"alerts\":1,\"rejected\":0,\"results\":[{\"fingerprint\":"
	"\"0000000000000000\","
	"\"starts_at\":\"2026-01-01T00:00:00Z\",\"rollout\":null,\"disposition\":\"duplicate\",\"incident\":null,"
	"\"reason\":\"already on record\"}]}}\n";

static enum MHD_Result step(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                            const char *version, const char *data, size_t *size, void **context)
{
	static int seen;

	(void)url, (void)method, (void)version, (void)data;
	if (!*context) {
		*context = &seen;
		return MHD_YES;
	}
	if (*size) {
		*size = 0;
		return MHD_YES;
	}
	return MHD_queue_response(c, MHD_HTTP_OK, cls);
}

int main(int argc, char **argv)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(strlen(answer), (void *)answer, MHD_RESPMEM_PERSISTENT);
	char byte;

	if (argc != 2 || !r) {
		fprintf(stderr, "usage: bare PORT\n");
		return 2;
	}
	MHD_add_response_header(r, "Content-Type", "application/json");
	struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)atoi(argv[1]), NULL, NULL,
	                                        step, r, MHD_OPTION_CONNECTION_LIMIT, 1024U, MHD_OPTION_END);
	if (!d) {
		fprintf(stderr, "bare: cannot listen on %s\n", argv[1]);
		return 1;
	}
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	MHD_stop_daemon(d);
	MHD_destroy_response(r);
	return 0;
}
