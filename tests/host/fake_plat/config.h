/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration of host tests of plat/ and arch/: found first by -Itests/host/fake_plat, so that they need no configured build. */
#pragma once

#include <stdbool.h>

#define CONFIG_MAX_CPUS 8
static const bool config_debug __attribute__((unused)) = true;
