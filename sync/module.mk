# SPDX-License-Identifier: BSD-3-Clause
mod := sync
$(mod)-srcs := percpu.c spinlock.c rwspin.c seqlock.c percpu_counter.c lock_hooks.c rcu.c
$(mod)-deps := lib arch
