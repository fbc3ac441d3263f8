/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration of host tests of check/: found first by -Itests/host/fake_check. */
#pragma once

#include <stdbool.h>

#define CONFIG_MAX_CPUS	    8
#define CONFIG_CHECK_RACE   1
#define CONFIG_CHECK_MEMORY 1
static const bool config_debug __attribute__((unused)) = true;
static const bool config_replay __attribute__((unused)) = false;
