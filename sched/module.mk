# SPDX-License-Identifier: BSD-3-Clause
mod := sched
$(mod)-srcs := sched.c thread.c timer.c kmutex.c
$(mod)-deps := lib arch sync plat mm
