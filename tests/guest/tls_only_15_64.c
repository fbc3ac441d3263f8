// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=2
/* A thread-local segment that has an odd size and an alignment over 32 (the case that Unikraft's layout corrupts). */
#include "tls_check.h"

#define VARIABLES(X) X(15, 64)
TLS_PROGRAM(VARIABLES)
