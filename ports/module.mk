# SPDX-License-Identifier: BSD-3-Clause
mod := ports
$(mod)-srcs := heap.c uk.c
$(mod)-deps := lib arch sync plat mm alloc posix
