/* SPDX-License-Identifier: BSD-3-Clause */
/* Instructions of ring 0, and the set-up of one CPU's control registers. */
#pragma once

#include <arch/insn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One turn of a loop that waits for another CPU. */
static inline void arch_cpu_relax(void)
{
	__builtin_ia32_pause();
}

/* A wait has become long: on a CPU that a hypervisor gives there is nothing more to do than that. */
static inline void arch_cpu_yield(void)
{
	__builtin_ia32_pause();
}

static inline uint64_t arch_rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void arch_wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static inline void arch_out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline void arch_out16(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline uint8_t arch_in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t arch_in32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

/* A row of bytes to one port. */
static inline void arch_outs8(uint16_t port, const void *buf, size_t len)
{
	__asm__ volatile("rep outsb" : "+S"(buf), "+c"(len) : "d"(port) : "memory");
}

static inline void arch_halt_forever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* Control registers and extended state of the calling CPU; the boot CPU's call also finds out what there is. */
void arch_cpu_init(void);
/* From now on use only what every x86-64 CPU has: FXSAVE and the FS base MSR. Boot CPU, before the first thread is made. */
void arch_cpu_base_only(void);
