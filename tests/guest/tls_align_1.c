// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4 machine=microvm,q35 mem=256M
/* Thread-local variables of every awkward size at alignment 1, initialised and zero. */
#include "tls_check.h"

#define VARIABLES(X) X(1, 1) X(8, 1) X(15, 1) X(16, 1) X(17, 1) X(4095, 1) X(4096, 1)
TLS_PROGRAM(VARIABLES)
