# SPDX-License-Identifier: BSD-3-Clause
mod := init
$(mod)-srcs := main.c bootkeys.c upcalls.c
$(mod)-deps := lib arch sync plat check mm sched alloc posix libc
