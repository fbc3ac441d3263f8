# SPDX-License-Identifier: BSD-3-Clause
mod := alloc
$(mod)-srcs := alloc.c region.c buddy.c pool.c registry.c malloc_entry.S
$(mod)-deps := lib arch sync plat mm
