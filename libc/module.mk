# SPDX-License-Identifier: BSD-3-Clause
mod := libc
$(mod)-srcs := musl_start.c musl_thread.c thread.c uksched.c unmapself.S
$(mod)-deps := lib arch sync plat mm sched alloc posix
$(mod)-libc := internal
