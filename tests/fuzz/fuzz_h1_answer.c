/* Answer heads: any bytes give one result, and the same one when they come in pieces. */
#include "fuzz_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_head(h1_parse_answer, data, size);
	return 0;
}
