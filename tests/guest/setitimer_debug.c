// SPDX-License-Identifier: BSD-3-Clause
// test: config=debug cpus=2
/* The same with the kernel's assertions: a timer is never armed twice. */
#include "setitimer.c"
