/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration of host tests: found first by -Itests/host/fake, so that they need no configured build. */
#pragma once

#include <stdbool.h>

#define CONFIG_MAX_CPUS 64
#define CONFIG_DEBUG	1
static const bool config_debug __attribute__((unused)) = true;
#ifdef CONFIG_REPLAY
static const bool config_replay __attribute__((unused)) = true;
#else
static const bool config_replay __attribute__((unused)) = false;
#endif
static const bool config_plat_host __attribute__((unused)) = false;
static const bool config_check_race __attribute__((unused)) = false;
static const bool config_check_memory __attribute__((unused)) = false;
static const bool config_check_undefined __attribute__((unused)) = false;
