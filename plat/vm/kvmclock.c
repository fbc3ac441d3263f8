// SPDX-License-Identifier: BSD-3-Clause
/*
 * kvmclock: time = system_time + ((tsc - tsc_timestamp) << shift) * mul >> 32, with the page's version telling whether
 * the hypervisor changed it meanwhile. The page belongs to one CPU and is written by the hypervisor only, while that CPU
 * does not run, so the reader (preemption off, or pinned) needs compiler barriers and no more. Any context. Tested with a
 * fake processor in tests/host/plat_kvmclock.c.
 */
#include "plat/vm/kvmclock.h"

#include "plat/vm/clock_math.h"
#include "plat/vm/hw.h"

#define MSR_SYSTEM_TIME_NEW 0x4b564d01
#define ENABLE		    1

void kvmclock_register(uint64_t page_phys)
{
	hw.wrmsr(MSR_SYSTEM_TIME_NEW, page_phys | ENABLE);
}

uint64_t kvmclock_read(const struct kvmclock_page *p, bool *stable)
{
	uint64_t ns;
	uint32_t version;

	do {
		uint64_t delta;

		version = p->version & ~1u;
		__asm__ volatile("" ::: "memory");
		delta = hw.rdtsc() - p->tsc_timestamp;
		if ((int64_t)delta < 0)
			delta = 0;
		delta = p->shift >= 0 ? delta << p->shift : delta >> -p->shift;
		ns = p->system_time + clock_scale(delta, p->mul);
		*stable = p->flags & KVMCLOCK_TSC_STABLE;
		__asm__ volatile("" ::: "memory");
	} while (version != p->version);
	return ns;
}

uint64_t kvmclock_mult(const struct kvmclock_page *p)
{
	return p->shift >= 0 ? (uint64_t)p->mul << p->shift : (uint64_t)p->mul >> -p->shift;
}
