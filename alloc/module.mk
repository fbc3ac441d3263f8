# SPDX-License-Identifier: BSD-3-Clause
mod := alloc
$(mod)-srcs := alloc.c region.c buddy.c pool.c registry.c malloc_entry.S
$(mod)-srcs-y := $(if $(filter memory,$(CHECK)),checked.c)
$(mod)-deps := lib arch sync plat check mm
