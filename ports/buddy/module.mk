# SPDX-License-Identifier: BSD-3-Clause
mod := port_buddy
$(mod)-srcs := buddy_heap.c
$(mod)-deps := lib arch sync plat mm alloc ports
$(mod)-if := $(CONFIG_ALLOC_BUDDY)
