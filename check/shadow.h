/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the shadow of CHECK=memory is: one byte for 8 bytes of every address of the lower half, at CHECK_SHADOW_START +
 * (address >> 3), as check/flags.mk tells the compiler. On the host platform that is 16 TiB of address space between the image
 * and what Linux maps from the top down; only the pages that are touched exist. plat/host maps it before any instrumented
 * code runs, which is why the numbers stand apart.
 */
#pragma once

#define CHECK_SHADOW_START 0x600000000000ul
#define CHECK_SHADOW_SIZE  0x100000000000ul
