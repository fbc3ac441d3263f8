// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=2
/* A thread-local segment that ends one byte past a multiple of its alignment. */
#include "tls_check.h"

#define VARIABLES(X) X(17, 16)
TLS_PROGRAM(VARIABLES)
