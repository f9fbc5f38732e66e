/*
 * Stand-in for libonload.so: it can be preloaded, says what it is when asked, and intercepts nothing. Like the real one it
 * is built for the GNU C library, and no other can load it.
 */
#include <gnu/libc-version.h>

/** As in Onload's extensions API: 0, because this library accelerates nothing. */
int onload_is_present(void) { return 0; }

/** The version that the test image was built as. */
const char* onload_version(void) { return ONLOAD_VERSION; }

/** What it runs on. */
const char* onload_libc_version(void) { return gnu_get_libc_version(); }
