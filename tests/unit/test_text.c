#include "server/core/clock.h"
#include "server/core/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static void a_word_is_found_in_a_table_with_holes(void **state)
{
	(void)state;
	static const char *const names[] = {"zero", NULL, "two"};

	assert_int_equal(text_enum_find(names, 3, "two"), 2);
	assert_int_equal(text_enum_find(names, 3, "zero"), 0);
	assert_int_equal(text_enum_find(names, 3, "Two"), -EINVAL);
	assert_int_equal(text_enum_find(names, 3, ""), -EINVAL);
	assert_int_equal(text_enum_find(names, 0, "zero"), -EINVAL);
}

static void networks_hold_their_addresses_and_no_other(void **state)
{
	(void)state;
	static const struct {
		const char *net, *ip;
		bool has;
	} cases[] = {
		{"10.1.2.3", "10.1.2.3", true},
		{"10.1.2.3", "10.1.2.4", false},
		{"10.1.2.3", "::ffff:10.1.2.3", true},
		{"10.1.0.0/16", "10.1.255.255", true},
		{"10.1.0.0/16", "10.2.0.0", false},
		{"10.1.2.128/25", "10.1.2.129", true},
		{"10.1.2.128/25", "10.1.2.127", false},
		{"0.0.0.0/0", "8.8.8.8", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "10.1.2.3", false},
		{"fd00::/8", "fdff::1", true},
		{"fd00::/8", "fe00::1", false},
		{"2001:db8::1", "2001:db8::1", true},
		{"2001:db8::1", "2001:db8::2", false},
	};
	static const char *const wrong[] = {
		"",       "10.1.2",      "10.1.2.3/33", "10.1.2.3/",   "10.1.2.3/a", "10.1.2.3/8",   "fd00::1/8",
		"::/129", "example.com", "10.1.2.3 ",   "10.1.2.3/-1", "[::1]",      "10.0.0.0/8/8", "127.0.0.1:80"};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned char ip[16] = {0};
		struct text_net n;

		assert_true(inet_pton(AF_INET, cases[i].ip, ip) == 1 || inet_pton(AF_INET6, cases[i].ip, ip) == 1);
		assert_int_equal(text_net_parse(cases[i].net, &n), 0);
		if (text_net_has(&n, ip) != cases[i].has)
			fail_msg("%s in %s", cases[i].ip, cases[i].net);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (text_net_parse(wrong[i], &(struct text_net) {0}) != -EINVAL)
			fail_msg("taken: %s", wrong[i]);
}

static void every_percentage_prints_and_reads_back(void **state)
{
	(void)state;

	for (int32_t pct = 0; pct <= 10000; pct++) {
		char text[16];
		int32_t back = -1, from_double = -1;
		text_pct(pct, text, sizeof(text));
		assert_int_equal(text_pct_parse(text, strlen(text), &back), 0);
		assert_int_equal(back, pct);
		assert_int_equal(text_pct_from_double(strtod(text, NULL), &from_double), 0);
		assert_int_equal(from_double, pct);
	}
}

static void percentages_are_written_without_needless_zeros(void **state)
{
	(void)state;
	static const struct {
		int32_t pct;
		const char *text;
	} prints[] = {{0, "0"},    {1000, "10"},   {50, "0.5"},    {3333, "33.33"},
	              {5, "0.05"}, {10000, "100"}, {-1, "unknown"}};
	char text[16];

	for (size_t i = 0; i < ARRAY_LEN(prints); i++) {
		text_pct(prints[i].pct, text, sizeof(text));
		assert_string_equal(text, prints[i].text);
	}
}

static void percentages_are_read_strictly(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int result;
		int32_t pct;
	} cases[] = {
		{"10", 0, 1000},
		{" 10\t\r\n", 0, 1000},
		{"0", 0, 0},
		{"0.00", 0, 0},
		{"0.5", 0, 50},
		{"12.5", 0, 1250},
		{"100.00", 0, 10000},
		{"10%", -EINVAL, 0},
		{"1e1", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"  ", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"-0", -EINVAL, 0},
		{"+5", -EINVAL, 0},
		{".5", -EINVAL, 0},
		{"5.", -EINVAL, 0},
		{"010", -EINVAL, 0},
		{"00", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1 0", -EINVAL, 0},
		{"1,5", -EINVAL, 0},
		{"1.2.3", -EINVAL, 0},
		{"\"10\"", -EINVAL, 0},
		{"nan", -EINVAL, 0},
		{"inf", -EINVAL, 0},
		{"10 percent", -EINVAL, 0},
		{"true", -EINVAL, 0},
		{"\xd9\xa1", -EINVAL, 0},
		{"100.01", -ERANGE, 0},
		{"101", -ERANGE, 0},
		{"1000", -ERANGE, 0},
		{"0.001", -ERANGE, 0},
		{"33.333", -ERANGE, 0},
		{"4294967306", -ERANGE, 0},
		{"18446744073709551626", -ERANGE, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int32_t pct = -7;
		assert_int_equal(text_pct_parse(cases[i].text, strlen(cases[i].text), &pct), cases[i].result);
		assert_int_equal(pct, cases[i].result ? -7 : cases[i].pct);
	}
	int32_t pct = -7;
	assert_int_equal(text_pct_parse("10\0", 3, &pct), -EINVAL);
	assert_int_equal(text_pct_parse("105", 2, &pct), 0);
	assert_int_equal(pct, 1000);
}

static void a_number_is_a_percentage_only_when_it_is_one(void **state)
{
	(void)state;
	static const struct {
		double v;
		int result;
		int32_t pct;
	} cases[] = {
		{0, 0, 0},
		{100, 0, 10000},
		{33.33, 0, 3333},
		{0.1 + 0.2, 0, 30},
		{-0.0, 0, 0},
		{9.9999999, 0, 1000},
		{-1, -ERANGE, 0},
		{100.01, -ERANGE, 0},
		{33.333, -ERANGE, 0},
		{0.001, -ERANGE, 0},
		{-0.01, -ERANGE, 0},
		{1e300, -ERANGE, 0},
		{(double)INFINITY, -ERANGE, 0},
		{(double)-INFINITY, -ERANGE, 0},
		{(double)NAN, -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int32_t pct = -7;
		assert_int_equal(text_pct_from_double(cases[i].v, &pct), cases[i].result);
		assert_int_equal(pct, cases[i].result ? -7 : cases[i].pct);
	}
}

/* As a real Alertmanager sent them (tests/data/payloads). */
static void fingerprints_are_those_of_alertmanager(void **state)
{
	(void)state;
	const struct text_pair first[] = {
		{"severity", "critical"}, {"action", "auto_rollback"}, {"service", "checkout"},
		{"alertname", "HighErr"}, {"instance", "a"},           {"rcv", "ok"},
	};
	const struct text_pair second[] = {
		{"action", "auto_rollback"}, {"alertname", "Nmax"},    {"instance", "b-second"}, {"rcv", "max"},
		{"service", "checkout"},     {"severity", "critical"},
	};

	assert_true(text_fingerprint(first, ARRAY_LEN(first)) == 0x364cbf6b3494b077u);
	assert_true(text_fingerprint(second, ARRAY_LEN(second)) == 0x9541e0366e59adc4u);
	assert_true(text_fingerprint(NULL, 0) == 14695981039346656037u);
}

static void a_fingerprint_does_not_depend_on_the_order(void **state)
{
	(void)state;
	enum { N = 300 };
	static char names[N][8];
	struct text_pair up[N], down[N];

	for (size_t n = 0; n < N; n += 149) {
		for (size_t i = 0; i < n; i++) {
			snprintf(names[i], sizeof(names[i]), "n%zu", i);
			up[i] = down[n - 1 - i] = (struct text_pair) {names[i], names[N - 1 - i]};
		}
		assert_true(text_fingerprint(up, n) == text_fingerprint(down, n));
	}
}

static void hashes_are_those_of_the_standards(void **state)
{
	(void)state;
	char out[65];

	/* FIPS 180-4 examples. */
	assert_int_equal(text_sha256("abc", 3, out), 0);
	assert_string_equal(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(text_sha256("", 0, out), 0);
	assert_string_equal(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	/* RFC 4231, test case 2. */
	assert_int_equal(text_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out), 0);
	assert_string_equal(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void a_number_prints_shortest_and_reads_back(void **state)
{
	(void)state;
	static const struct {
		double v;
		const char *text;
	} prints[] = {
		{0, "0"},
		{3, "3"},
		{0.1, "0.1"},
		{-2.5, "-2.5"},
		{1e300, "1e+300"},
		{1760436000, "1760436000"},
		{(double)NAN, "NaN"},
		{(double)INFINITY, "+Inf"},
		{(double)-INFINITY, "-Inf"},
	};
	char text[32];

	for (size_t i = 0; i < ARRAY_LEN(prints); i++) {
		text_double(prints[i].v, text, sizeof(text));
		assert_string_equal(text, prints[i].text);
	}
	double v = 4.9e-324;
	while (v < 1e308) {
		text_double(-v / 3, text, sizeof(text));
		assert_true(strtod(text, NULL) == -v / 3);
		v *= 1.7;
	}
}

static void formatted_text_is_the_callers(void **state)
{
	(void)state;
	CLEANUP(cleanup_free) char *text = text_format("%s-%d", "a", 5);

	assert_string_equal(text, "a-5");
}

static void the_clocks_tell_microseconds(void **state)
{
	(void)state;
	int64_t mono = clock_mono_us();
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &t), 0);
	int64_t wall = clock_wall_us();
	assert_true(wall >= t.tv_sec * US_PER_S && wall < (t.tv_sec + 60) * US_PER_S);
	assert_true(clock_mono_us() >= mono);
}

static void numbers_for_people_are_short_but_tell_a_value_from_its_bound(void **state)
{
	static const struct {
		double v, bound;
		const char *unit, *text, *against;
	} rows[] = {
		{0.02, 0.001, "", "0.02", "0.001"},
		{-0.0001890389158752033, 0.001, "ratio", "-0.0189%", "0.1%"},
		{18810.77777777778, 0.01, "", "18811", "0.01"},
		{0.0010003, 0.001, "", "0.0010003", "0.001"},
		{0.0010003, 0.001, "ratio", "0.10003%", "0.1%"},
		{0.001, 0.001, "", "0.001", "0.001"},
		{0, 0, "", "0", "0"},
		{1.0842021724855044e-19, 0.001, "", "1.084e-19", "0.001"},
		{0, 3e9, "bytes", "0 B", "3 GB"},
		{220000000, 3e9, "bytes", "220 MB", "3 GB"},
		{512, 1000, "bytes", "512 B", "1 kB"},
		{2999999999, 3e9, "bytes", "2999999999 bytes", "3000000000"},
		{3e9, 3e9, "bytes", "3 GB", "3 GB"},
		{-4194304, 10e6, "bytes per minute", "-4.194 MB per minute", "10 MB per minute"},
		{7e15, 1e12, "bytes", "7000 TB", "1 TB"},
		{NAN, 3e9, "bytes", "NaN B", "3 GB"},
		{1.5, 2, "bytesize", "1.5 bytesize", "2"},
	};
	char text[64], against[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		text_against(rows[i].v, rows[i].bound, rows[i].unit, text, against, sizeof(text));
		assert_string_equal(text, rows[i].text);
		assert_string_equal(against, rows[i].against);
	}
	text_number(0.25, "seconds", text, sizeof(text));
	assert_string_equal(text, "0.25 seconds");
	text_number(1e6 / 3, "bytes per hour", text, sizeof(text));
	assert_string_equal(text, "333.3 kB per hour");
}

static void one_of_a_unit_is_said_as_one(void **state)
{
	static const struct {
		double v;
		const char *unit, *text;
	} rows[] = {
		{1, "seconds", "1 second"},
		{1.00001, "seconds", "1 second"}, /* as it is printed */
		{-1, "points", "-1 point"},
		{1, "seconds per 1000 nodes", "1 second per 1000 nodes"},
		{1, "requests per second", "1 request per second"},
		{2, "seconds", "2 seconds"},
		{0, "seconds", "0 seconds"},
		{1.5, "seconds", "1.5 seconds"},
		{11, "seconds", "11 seconds"},
		{1, "bytes", "1 B"},
		{1, "ms", "1 ms"},
		{1, "series", "1 series"},
		{1, "status", "1 status"},
		{1, "misses", "1 misses"},
		{1, "ratio", "100%"},
		{0.8971, "ratio", "89.71%"},
		{1, "ratio of two", "1 ratio of two"},
		{1, "", "1"},
	};
	char text[64], bound[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		text_number(rows[i].v, rows[i].unit, text, sizeof(text));
		assert_string_equal(text, rows[i].text);
	}
	text_against(1.00001, 1, "seconds", text, bound, sizeof(text)); /* all digits, where they tell */
	assert_string_equal(text, "1.00001 seconds");
	assert_string_equal(text_many(1, "alert", "alerts"), "alert");
	assert_string_equal(text_many(0, "alert", "alerts"), "alerts");
	assert_string_equal(text_many(21, "alert", "alerts"), "alerts");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_is_found_in_a_table_with_holes),
		cmocka_unit_test(networks_hold_their_addresses_and_no_other),
		cmocka_unit_test(every_percentage_prints_and_reads_back),
		cmocka_unit_test(percentages_are_written_without_needless_zeros),
		cmocka_unit_test(percentages_are_read_strictly),
		cmocka_unit_test(a_number_is_a_percentage_only_when_it_is_one),
		cmocka_unit_test(fingerprints_are_those_of_alertmanager),
		cmocka_unit_test(a_fingerprint_does_not_depend_on_the_order),
		cmocka_unit_test(hashes_are_those_of_the_standards),
		cmocka_unit_test(a_number_prints_shortest_and_reads_back),
		cmocka_unit_test(formatted_text_is_the_callers),
		cmocka_unit_test(the_clocks_tell_microseconds),
		cmocka_unit_test(numbers_for_people_are_short_but_tell_a_value_from_its_bound),
		cmocka_unit_test(one_of_a_unit_is_said_as_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
