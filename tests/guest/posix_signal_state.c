// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4
/*
 * A signal that arrives between two instructions of a thread that makes no system call: its handler runs, uses vector
 * registers, and the interrupted code finds all of its own, and its red zone, as they were. Handlers of faults: they are told the
 * address, may repair the cause or jump out, may change registers, and run on the alternate stack when there is no other.
 */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <ucontext.h>

#define SPINNERS   3
#define DELIVERIES 40
#define PAGE	   4096

static atomic_long handled[SPINNERS];
static atomic_bool stop;
static _Thread_local int spinner;

static void use_vectors(int signal)
{
	(void)signal;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n movdqa %%xmm0, %%xmm7\n movdqa %%xmm0, %%xmm15" ::
				 : "xmm0", "xmm7", "xmm15");
	atomic_fetch_add(&handled[spinner], 1);
}

static void *spin(void *arg)
{
	spinner = (int)(intptr_t)arg;
	for (unsigned long n = 1; !atomic_load(&stop); n++) {
		unsigned long a = n * 0x9e3779b97f4a7c15ul, b = ~a, c = a ^ n, seen_a, seen_b, seen_c, zone;

		__asm__ volatile("movq %[a], %%xmm0\n movq %[b], %%xmm7\n movq %[c], %%xmm15\n mov %[a], -120(%%rsp)\n"
				 "mov $300, %%ecx\n 1: dec %%ecx\n jnz 1b\n"
				 "movq %%xmm0, %[sa]\n movq %%xmm7, %[sb]\n movq %%xmm15, %[sc]\n mov -120(%%rsp), %[z]"
				 : [sa] "=&r"(seen_a), [sb] "=&r"(seen_b), [sc] "=&r"(seen_c), [z] "=&r"(zone)
				 : [a] "r"(a), [b] "r"(b), [c] "r"(c)
				 : "xmm0", "xmm7", "xmm15", "rcx", "cc", "memory");
		CHECK(seen_a == a && seen_b == b && seen_c == c && zone == a);
	}
	return NULL;
}

static void test_storm(void)
{
	pthread_t t[SPINNERS];
	struct sigaction sa = { .sa_handler = use_vectors };

	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	for (long i = 0; i < SPINNERS; i++)
		t[i] = check_spawn(spin, (void *)i);
	for (int i = 0; i < SPINNERS; i++) {
		long rounds = check_spin_rounds(DELIVERIES);

		for (long r = 0; r < rounds; r++) {
			long before = atomic_load(&handled[i]);

			CHECK_OK(pthread_kill(t[i], SIGUSR1));
			/* a second one may be merged with it, so each is awaited */
			while (atomic_load(&handled[i]) == before)
				sched_yield();
		}
	}
	atomic_store(&stop, true);
	for (int i = 0; i < SPINNERS; i++)
		check_join(t[i]);
}

static sigjmp_buf out;
static void *volatile told;
static char *page;

static void jump_out(int signal, siginfo_t *info, void *context)
{
	(void)context;
	told = info->si_addr;
	siglongjmp(out, signal);
}

static void repair(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	told = info->si_addr;
	CHECK_EQ(mprotect(page, PAGE, PROT_READ | PROT_WRITE), 0);
}

static void skip_two_bytes(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signal;
	(void)info;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RAX] = 4711;
}

static void on_altstack(int signal, siginfo_t *info, void *context)
{
	stack_t now;

	(void)info;
	(void)context;
	CHECK_EQ(sigaltstack(NULL, &now), 0);
	siglongjmp(out, signal);
}

static void catch (int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	CHECK_EQ(sigaction(signal, &sa, NULL), 0);
}

static int deeper(int n)
{
	volatile char frame[512];

	frame[0] = (char)n;
	return deeper(n + 1) + frame[0];
}

static void test_faults(void)
{
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	volatile int round;
	long rax = 0;

	catch (SIGSEGV, jump_out, 0);
	for (round = 0; round < 50; round++) {
		if (!sigsetjmp(out, 1)) {
			*(volatile int *)(uintptr_t)(0x1000 + round) = 1;
			CHECK(!"reached");
		}
		CHECK_EQ((uintptr_t)told, 0x1000 + round);
	}

	page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED);
	catch (SIGSEGV, repair, 0);
	*(volatile char *)(page + 7) = 9;
	CHECK(told == page + 7 && page[7] == 9);

	catch (SIGILL, skip_two_bytes, 0);
	__asm__ volatile("ud2" : "+a"(rax));
	CHECK_EQ(rax, 4711);

	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	catch (SIGSEGV, on_altstack, SA_ONSTACK);
	if (!sigsetjmp(out, 1))
		deeper(0);
	/* and again: the alternate stack is free once more */
	if (!sigsetjmp(out, 1))
		deeper(0);
}

int main(void)
{
	test_storm();
	test_faults();
	return 0;
}
