// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=lib/ring.c cflags=-Itests/host/fake sanitize=address,undefined,thread timeout=120
/* tests/guest/tutti_ring.c with host threads: the rings under the sanitizers. */
#include "../guest/tutti_ring.c"
