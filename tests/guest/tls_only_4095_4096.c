// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=2
/* A thread-local segment that is one byte short of a multiple of its alignment. */
#include "tls_check.h"

#define VARIABLES(X) X(4095, 4096)
TLS_PROGRAM(VARIABLES)
