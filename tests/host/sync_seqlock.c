// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=sync/seqlock.c cflags=-Itests/host/fake sanitize=address,undefined,thread timeout=120
/* tests/guest/tutti_seqlock.c with host threads for CPUs: sequence locks under the sanitizers. */
#include "../guest/tutti_seqlock.c"
