# SPDX-License-Identifier: BSD-3-Clause
mod := sched
$(mod)-srcs := sched.c runq.c thread.c timer.c waitq.c waiter.c mutex.c rwlock.c semaphore.c condition.c completion.c rcu.c watchdog.c
$(mod)-deps := lib arch sync plat mm
