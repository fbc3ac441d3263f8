# SPDX-License-Identifier: BSD-3-Clause
mod := sync
$(mod)-srcs := percpu.c spinlock.c rwspin.c
$(mod)-deps := lib arch
