# SPDX-License-Identifier: BSD-3-Clause
mod := arch
$(mod)-srcs := context.S uaccess.S xstate.c trap.c tls.c
$(mod)-srcs-y := $(if $(CONFIG_LOCK_VALIDATOR)$(CONFIG_LOCKSTAT)$(filter-out replay,$(CHECK)),stack.c)
$(mod)-deps := lib sync
$(mod)-check := no
