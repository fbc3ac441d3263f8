# SPDX-License-Identifier: BSD-3-Clause
mod := posix
$(mod)-srcs := syscall_entry.S table.c user.c process.c sched.c time.c timers.c memory.c futex.c futex_pi.c robust.c signal.c \
	random.c chacha20.c cpio.c tree.c iov.c console.c files.c
$(mod)-deps := lib arch sync plat mm sched
