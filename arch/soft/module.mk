# SPDX-License-Identifier: BSD-3-Clause
mod := soft
$(mod)-srcs := entry.S hostcall.S signal.c cpu.c mmu.c image.c
$(mod)-deps := lib arch sync
$(mod)-check := no
