#include "tests/unit/fetch_fixture.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

/* TLS: a server whose certificate nobody vouches for. */

static struct {
	gnutls_certificate_credentials_t credentials;
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t cert;
	int fd, port, result;
} tls;

static void tls_make_certificate(void)
{
	gnutls_x509_privkey_init(&tls.key);
	gnutls_x509_privkey_generate(tls.key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	gnutls_x509_crt_init(&tls.cert);
	gnutls_x509_crt_set_version(tls.cert, 3);
	gnutls_x509_crt_set_serial(tls.cert, "\1", 1);
	gnutls_x509_crt_set_activation_time(tls.cert, time(NULL) - 3600);
	gnutls_x509_crt_set_expiration_time(tls.cert, time(NULL) + 3600);
	gnutls_x509_crt_set_subject_alt_name(tls.cert, GNUTLS_SAN_IPADDRESS, "\x7f\0\0\1", 4, GNUTLS_FSAN_SET);
	gnutls_x509_crt_set_key(tls.cert, tls.key);
	assert_int_equal(gnutls_x509_crt_sign2(tls.cert, tls.cert, tls.key, GNUTLS_DIG_SHA256, 0), 0);
	gnutls_certificate_allocate_credentials(&tls.credentials);
	assert_int_equal(gnutls_certificate_set_x509_key(tls.credentials, &tls.cert, 1, tls.key), 0);
}

static void *tls_serve(void *priority)
{
	CLEANUP(cleanup_fd) int fd = accept4(tls.fd, NULL, NULL, SOCK_CLOEXEC);
	gnutls_session_t session;

	gnutls_init(&session, GNUTLS_SERVER);
	gnutls_priority_set_direct(session, priority, NULL);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls.credentials);
	gnutls_transport_set_int(session, fd);
	gnutls_handshake_set_timeout(session, 3000);
	do
		tls.result = gnutls_handshake(session);
	while (tls.result < 0 && !gnutls_error_is_fatal(tls.result));
	if (tls.result == 0)
		tls.result = (int)gnutls_record_recv(session, (char[1]) {0}, 1);
	gnutls_deinit(session);
	return NULL;
}

static void fetch_over_tls(const char *priority)
{
	struct fetch_spec spec = spec_of("/");
	char url[100];
	pthread_t t;

	tls.fd = bind_somewhere(&tls.port);
	assert_int_equal(listen(tls.fd, 1), 0);
	pthread_create(&t, NULL, tls_serve, (void *)priority);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/secret", tls.port);
	spec.url = url;
	spec.timeout_us = 5 * US_PER_S;
	run_spec(&spec);
	pthread_join(t, NULL);
	close(tls.fd);
	assert_int_equal(seen.r.error, -EPROTO);
	assert_int_equal(seen.r.status, 0);
	assert_true(strlen(seen.error_text) > 0);
	assert_null(strstr(seen.error_text, "secret"));
	assert_true(tls.result <= 0); /* no byte of the request was sent */
}

static void a_server_without_a_trusted_certificate_gets_no_request(void **state)
{
	(void)state;
	tls_make_certificate();
	fetch_over_tls("NORMAL");
	assert_non_null(strcasestr(seen.error_text, "certificate"));
	fetch_over_tls("NORMAL:-VERS-ALL:+VERS-TLS1.1:@SECLEVEL=0");
	gnutls_certificate_free_credentials(tls.credentials);
	gnutls_x509_crt_deinit(tls.cert);
	gnutls_x509_privkey_deinit(tls.key);
}

static void plain_text_where_tls_belongs_is_told(void **state)
{
	struct fetch_spec spec = spec_of("/");
	char url[100];

	(void)state;
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/close", server.port);
	spec.url = url;
	spec.timeout_us = 300 * MS;
	run_spec(&spec); /* the server waits for the end of what it takes for a request */
	assert_int_equal(seen.r.error, -ETIMEDOUT);
	assert_ptr_equal(strstr(seen.error_text, "time limit reached"), seen.error_text);
	assert_non_null(strstr(seen.error_text, "the TLS handshake"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_server_without_a_trusted_certificate_gets_no_request),
		T(plain_text_where_tls_belongs_is_told),
	};

	if (loop_global_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
