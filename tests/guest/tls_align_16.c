// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4 machine=microvm,q35 mem=256M
/* Thread-local variables of every awkward size at alignment 16, initialised and zero. */
#include "tls_check.h"

#define VARIABLES(X) X(1, 16) X(8, 16) X(15, 16) X(16, 16) X(17, 16) X(4095, 16) X(4096, 16)
TLS_PROGRAM(VARIABLES)
