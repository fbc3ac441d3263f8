// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4 machine=microvm,q35 mem=256M
/* Thread-local variables of every awkward size at alignment 64, initialised and zero. */
#include "tls_check.h"

#define VARIABLES(X) X(1, 64) X(8, 64) X(15, 64) X(16, 64) X(17, 64) X(4095, 64) X(4096, 64)
TLS_PROGRAM(VARIABLES)
