/* Replies of Prometheus: as an instant query's and as a range query's. */
#include <stdlib.h>
#include <string.h>
#include "alertmanager/prometheus.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prom_vector v = {0};
	struct json_object *matrix = NULL;
	char why[200] = "";

	if (prom_vector_parse((const char *)data, size, &v, why, sizeof(why)) < 0)
		MUST(v.root == NULL && why[0] != '\0');
	for (size_t i = 0; i < v.n; i++)
		MUST(v.samples[i].at == v.samples[i].at);
	prom_vector_free(&v);
	why[0] = '\0';
	if (prom_matrix_parse((const char *)data, size, 100, 1000, &matrix, why, sizeof(why)) < 0)
		MUST(matrix == NULL && why[0] != '\0');
	else
		MUST(json_check(json_text(matrix), strlen(json_text(matrix)), NULL) == 0);
	json_object_put(matrix);
	return 0;
}
