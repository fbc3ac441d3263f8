# SPDX-License-Identifier: BSD-3-Clause
mod := check
$(mod)-srcs := report.c
$(mod)-srcs-y := $(if $(filter race,$(CHECK)),race.c race_atomic.c race_wrap.S) \
	$(if $(filter memory,$(CHECK)),memory.c heap.c strings.c strings_entry.S) $(if $(filter undefined,$(CHECK)),undefined.c)
$(mod)-deps := lib arch sync plat
$(mod)-cflags := -mcx16 -Wno-missing-prototypes
# no line numbers: a description of a symbol __wrap_x makes GNU ld 2.40 look for x, and crash
$(mod)-asflags := -g0
$(mod)-check := no
