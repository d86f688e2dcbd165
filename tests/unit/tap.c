/* Linked into every unit test: its results are printed as TAP, as those of every suite. (Not by cmocka's
 * environment variable: a test may clear the environment.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

__attribute__((constructor)) static void speak_tap(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
}
