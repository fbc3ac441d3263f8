# SPDX-License-Identifier: BSD-3-Clause
mod := ring0
$(mod)-srcs := boot.S entry.S cpu.c trap.c image.c
$(mod)-deps := lib arch sync
$(mod)-check := no
