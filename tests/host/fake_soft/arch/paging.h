/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of mm/ on the MMU of the host platform: the real one, found before those of fake/ and fake_mm/. */
#pragma once

#define MACHINE_SOFT 1

#include "../../../../arch/soft/arch/paging.h"
