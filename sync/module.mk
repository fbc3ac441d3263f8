# SPDX-License-Identifier: BSD-3-Clause
mod := sync
$(mod)-srcs := percpu.c spinlock.c rwspin.c lock_hooks.c
$(mod)-deps := lib arch
