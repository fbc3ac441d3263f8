# SPDX-License-Identifier: BSD-3-Clause
#
# $(call say,WHAT,NAME): what is being built, [n/m] on a terminal, nothing otherwise; V=1 shows the commands instead.
# m is counted by asking make itself, without running anything, how many such lines there would be.

Q := $(if $(V),,@)
ifdef COUNTING
say = @: COUNT-THIS
else ifdef V
say = @:
else ifneq ($(MAKE_TERMOUT),)
PROGRESS_TOTAL = $(eval PROGRESS_TOTAL := $(shell $(MAKE) -n -f mk/kernel.mk COUNTING=1 V= CONFIG='$(CONFIG)' PLAT='$(PLAT)' CHECK='$(CHECK)' \
	PLANT='$(PLANT)' ALLOC_SRC_mimalloc='$(ALLOC_SRC_mimalloc)' $(MAKECMDGOALS) 2>/dev/null | grep -c COUNT-THIS))$(PROGRESS_TOTAL)
PROGRESS_DONE :=
say = @$(eval PROGRESS_DONE += x)printf '[%d/%d] %-8s%s\n' $(words $(PROGRESS_DONE)) $(PROGRESS_TOTAL) '$(1)' '$(2)'
else
say = @:
endif
