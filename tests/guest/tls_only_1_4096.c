// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=2
/* A thread-local segment that is nearly all padding. */
#include "tls_check.h"

#define VARIABLES(X) X(1, 4096)
TLS_PROGRAM(VARIABLES)
