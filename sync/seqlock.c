// SPDX-License-Identifier: BSD-3-Clause
/*
 * The cold half of sequence locks (tutti/seqlock.h, which has the argument): a reader that came during a write waits for its end.
 * The writer has preemption off, so it is running on another CPU, unless the host has taken that one away. Any context in which the
 * reader may be; no memory, no lock.
 */
#include "tutti/seqlock.h"

#include <arch/cpu.h>

#include "config.h"
#include "lib/util.h"
#include "sync/spin.h"

#define LOOKS_PER_YIELD 4096u

__noinline uint32_t tutti_seqcount_wait_slow(const struct tutti_seqcount *s)
{
	unsigned looks = 0;
	uint32_t seq;

	/* pairs with the release in tutti_seqcount_write_end() */
	while ((seq = __atomic_load_n(&s->seq, __ATOMIC_ACQUIRE)) & 1) {
		spin_wait(&looks);
		if (looks % LOOKS_PER_YIELD == 0)
			arch_cpu_yield();
	}
	return seq;
}
