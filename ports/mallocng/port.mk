# SPDX-License-Identifier: BSD-3-Clause
# mallocng: the objects that libc/musl.mk took out of the C library and renamed.
PORT_READY_mallocng := $(MUSL_DONE)
PORT_OBJS += $(if $(CONFIG_ALLOC_MALLOCNG),$(MALLOCNG_OBJS))
