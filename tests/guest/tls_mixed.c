// SPDX-License-Identifier: BSD-3-Clause
// test: replay=6 cpus=1,2,4
/* Thread-local variables of different alignments in one image, in an order that leaves gaps. */
#include "tls_check.h"

#define VARIABLES(X) X(1, 1) X(17, 64) X(15, 1) X(1, 4096) X(4095, 16) X(8, 64) X(16, 16) X(15, 64) X(4096, 1) X(17, 16)
TLS_PROGRAM(VARIABLES)
