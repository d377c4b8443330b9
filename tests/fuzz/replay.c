/*
 * Feeds the files named on the command line to a fuzz driver. With --mutate=N each is also fed N times with a
 * few bytes changed, cut or doubled (the same ones at every run): a small fuzzer for machines without
 * libFuzzer.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define FILE_MAX (1024 * 1024)

static uint64_t seed = 0x9e3779b97f4a7c15;

static size_t pick(size_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return below == 0 ? 0 : (size_t)(seed % below);
}

/* A copy of exactly its size, so a sanitizer sees the first byte read beyond it. */
static void feed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);

	if (!copy)
		exit(1);
	if (size > 0)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

/* data has room for eight bytes more. */
static size_t mutate_once(uint8_t *data, size_t size)
{
	static const char likely[] = "{}[]\",:\\0123456789-+.eEnulltrue()|*?^$ \n\x80\xff";
	size_t at = pick(size), len = 1 + pick(8);

	if (at + len > size)
		len = size - at;
	switch (pick(4)) {
	case 0:
		data[at] = (uint8_t)pick(256);
		return size;
	case 1:
		data[at] = (uint8_t)likely[pick(sizeof(likely) - 1)];
		return size;
	case 2:
		memmove(data + at, data + at + len, size - at - len);
		return size - len;
	default:
		memmove(data + at + len, data + at, size - at);
		return size + len;
	}
}

static void feed_mutated(const uint8_t *data, size_t size, long times)
{
	uint8_t *copy = malloc(size + 64);

	if (!copy)
		exit(1);
	for (long i = 0; i < times && size > 0; i++) {
		size_t n = size;
		memcpy(copy, data, size);
		for (size_t k = 1 + pick(4); k > 0 && n > 0; k--)
			n = mutate_once(copy, n);
		feed(copy, n);
	}
	free(copy);
}

static void replay(const char *path, long times)
{
	static uint8_t data[FILE_MAX];
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		exit(1);
	}
	size_t size = fread(data, 1, sizeof(data), f);
	fclose(f);
	feed(data, size);
	feed_mutated(data, size, times);
}

int main(int argc, char **argv)
{
	long times = 0;
	int files = 0;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--mutate=", 9) == 0) {
			times = strtol(argv[i] + 9, NULL, 10);
			continue;
		}
		replay(argv[i], times);
		files++;
	}
	printf("%d files\n", files);
	return files > 0 ? 0 : 2;
}
