/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration of the scheduler's host tests. */
#pragma once

#include <stdbool.h>

#define CONFIG_MAX_CPUS 8
#define CONFIG_DEBUG	1
static const bool config_debug __attribute__((unused)) = true;
static const bool config_replay __attribute__((unused)) = false;
static const bool config_mutex_metrics __attribute__((unused)) = true;
