# SPDX-License-Identifier: BSD-3-Clause
mod := port_mimalloc
$(mod)-srcs := mimalloc.c
$(mod)-deps := lib arch sync plat mm alloc ports
$(mod)-libc := public
$(mod)-port := mimalloc
$(mod)-if := $(CONFIG_ALLOC_MIMALLOC)
