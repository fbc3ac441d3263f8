# SPDX-License-Identifier: BSD-3-Clause
mod := sync
$(mod)-srcs := percpu.c spinlock.c rwspin.c seqlock.c percpu_counter.c rcu.c
$(mod)-srcs-y := $(if $(CONFIG_LOCK_VALIDATOR)$(CONFIG_LOCKSTAT),lock_hooks.c lock_class.c) \
	$(if $(CONFIG_LOCK_VALIDATOR),validator.c lock_graph.c) $(if $(CONFIG_LOCKSTAT),lockstat.c)
$(mod)-deps := lib arch
