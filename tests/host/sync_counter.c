// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=sync/percpu_counter.c cflags=-Itests/host/fake sanitize=address,undefined,thread timeout=120
/* tests/guest/tutti_percpu_counter.c with host threads for CPUs: per-CPU counters under the sanitizers. */
#include "../guest/tutti_percpu_counter.c"
