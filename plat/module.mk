# SPDX-License-Identifier: BSD-3-Clause
mod := plat
$(mod)-srcs := common/trap.c common/crash.c common/message.c
$(mod)-srcs-y := $(if $(CONFIG_LOCK_VALIDATOR)$(CONFIG_LOCKSTAT),common/locks.c)
$(mod)-deps := lib arch sync
$(mod)-check := no
