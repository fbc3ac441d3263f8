# SPDX-License-Identifier: BSD-3-Clause
mod := port_mallocng
$(mod)-srcs := mallocng.c
$(mod)-deps := lib arch sync plat mm alloc ports
$(mod)-if := $(CONFIG_ALLOC_MALLOCNG)
