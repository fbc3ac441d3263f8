// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4 machine=microvm,q35 mem=256M
/* Thread-local variables of every awkward size at alignment 4096, initialised and zero. */
#include "tls_check.h"

#define VARIABLES(X) X(1, 4096) X(8, 4096) X(15, 4096) X(16, 4096) X(17, 4096) X(4095, 4096) X(4096, 4096)
TLS_PROGRAM(VARIABLES)
