// SPDX-License-Identifier: BSD-3-Clause
// test: replay=10 cpus=1,2,4 machine=microvm,q35
/*
 * An interrupted thread finds all its registers as they were: general ones, SSE (AVX where there is one), x87, flags and
 * the control words, and the red zone under its stack pointer. More threads than CPUs load values of their own, compute
 * for some time slices without a call, and compare.
 */
#include "check.h"

#include <cpuid.h>
#include <fenv.h>

static bool have_avx;

static bool detect_avx(void)
{
	unsigned int a, b, c, d, low, high;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX))
		return false;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (low & 6) == 6;
}

/* Spins for so many loops with the values in registers; returns the number of registers that changed. */
static unsigned long hold_general(unsigned long v, unsigned long loops)
{
	unsigned long bad = 0;

	__asm__ volatile(
		"sub $256, %%rsp\n" /* below the compiler's own red zone */
		"mov %[v], %%r8\n lea 1(%[v]), %%r9\n lea 2(%[v]), %%r10\n lea 3(%[v]), %%r11\n"
		"lea 4(%[v]), %%r12\n lea 5(%[v]), %%r13\n lea 6(%[v]), %%r14\n lea 7(%[v]), %%r15\n"
		"lea 8(%[v]), %%rsi\n"
		"mov %[v], -8(%%rsp)\n mov %%r9, -64(%%rsp)\n mov %%r10, -120(%%rsp)\n mov %%r11, -128(%%rsp)\n"
		"1: dec %[n]\n jnz 1b\n"
		"xor %[bad], %[bad]\n"
		"cmp %[v], %%r8\n setne %%al\n movzbq %%al, %%rax\n add %%rax, %[bad]\n"
		"lea 1(%[v]), %%rcx\n cmp %%rcx, %%r9\n setne %%al\n movzbq %%al, %%rax\n add %%rax, %[bad]\n"
		"lea 2(%[v]), %%rcx\n cmp %%rcx, %%r10\n setne %%al\n movzbq %%al, %%rax\n add %%rax, %[bad]\n"
		"lea 3(%[v]), %%rcx\n cmp %%rcx, %%r11\n setne %%al\n movzbq %%al, %%rax\n add %%rax, %[bad]\n"
		"lea 4(%[v]), %%rcx\n cmp %%rcx, %%r12\n setne %%al\n movzbq %%al, %%rax\n add %%rax, %[bad]\n"
		"lea 5(%[v]), %%rcx\n cmp %%rcx, %%r13\n setne %%al\n movzbq %%al, %%rax\n add %%rax, %[bad]\n"
		"lea 6(%[v]), %%rcx\n cmp %%rcx, %%r14\n setne %%al\n movzbq %%al, %%rax\n add %%rax, %[bad]\n"
		"lea 7(%[v]), %%rcx\n cmp %%rcx, %%r15\n setne %%al\n movzbq %%al, %%rax\n add %%rax, %[bad]\n"
		"lea 8(%[v]), %%rcx\n cmp %%rcx, %%rsi\n setne %%al\n movzbq %%al, %%rax\n add %%rax, %[bad]\n"
		"cmp -8(%%rsp), %%r8\n setne %%al\n movzbq %%al, %%rax\n add %%rax, %[bad]\n"
		"cmp -64(%%rsp), %%r9\n setne %%al\n movzbq %%al, %%rax\n add %%rax, %[bad]\n"
		"cmp -120(%%rsp), %%r10\n setne %%al\n movzbq %%al, %%rax\n add %%rax, %[bad]\n"
		"cmp -128(%%rsp), %%r11\n setne %%al\n movzbq %%al, %%rax\n add %%rax, %[bad]\n"
		"add $256, %%rsp\n"
		: [bad] "=&d"(bad), [n] "+b"(loops)
		: [v] "r"(v)
		: "rax", "rcx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
	return bad;
}

/* The same for xmm0 to xmm15, each half; stores them to out after the loop. */
static void hold_sse(const unsigned char in[16][16], unsigned char out[16][16], unsigned long loops)
{
	__asm__ volatile(
		"movups (%[i]), %%xmm0\n movups 16(%[i]), %%xmm1\n movups 32(%[i]), %%xmm2\n movups 48(%[i]), %%xmm3\n"
		"movups 64(%[i]), %%xmm4\n movups 80(%[i]), %%xmm5\n movups 96(%[i]), %%xmm6\n movups 112(%[i]), %%xmm7\n"
		"movups 128(%[i]), %%xmm8\n movups 144(%[i]), %%xmm9\n movups 160(%[i]), %%xmm10\n movups 176(%[i]), %%xmm11\n"
		"movups 192(%[i]), %%xmm12\n movups 208(%[i]), %%xmm13\n movups 224(%[i]), %%xmm14\n movups 240(%[i]), %%xmm15\n"
		"1: dec %[n]\n jnz 1b\n"
		"movups %%xmm0, (%[o])\n movups %%xmm1, 16(%[o])\n movups %%xmm2, 32(%[o])\n movups %%xmm3, 48(%[o])\n"
		"movups %%xmm4, 64(%[o])\n movups %%xmm5, 80(%[o])\n movups %%xmm6, 96(%[o])\n movups %%xmm7, 112(%[o])\n"
		"movups %%xmm8, 128(%[o])\n movups %%xmm9, 144(%[o])\n movups %%xmm10, 160(%[o])\n movups %%xmm11, 176(%[o])\n"
		"movups %%xmm12, 192(%[o])\n movups %%xmm13, 208(%[o])\n movups %%xmm14, 224(%[o])\n movups %%xmm15, 240(%[o])\n"
		: [n] "+r"(loops)
		: [i] "r"(in), [o] "r"(out)
		: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
		  "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory");
}

__attribute__((target("avx"))) static void hold_avx(const unsigned char in[4][32], unsigned char out[4][32],
						    unsigned long loops)
{
	__asm__ volatile(
		"vmovups (%[i]), %%ymm0\n vmovups 32(%[i]), %%ymm5\n vmovups 64(%[i]), %%ymm10\n vmovups 96(%[i]), %%ymm15\n"
		"1: dec %[n]\n jnz 1b\n"
		"vmovups %%ymm0, (%[o])\n vmovups %%ymm5, 32(%[o])\n vmovups %%ymm10, 64(%[o])\n vmovups %%ymm15, 96(%[o])\n"
		"vzeroupper\n"
		: [n] "+r"(loops)
		: [i] "r"(in), [o] "r"(out)
		: "xmm0", "xmm5", "xmm10", "xmm15", "cc", "memory");
}

/* x87: four values on the stack of registers; flags: the direction flag stays as it was set. */
static long hold_x87(long v, unsigned long loops)
{
	long out[4], i, bad = 0;
	int load = (int)v;
	unsigned long flags;

	__asm__ volatile("fildl %[v]\n fld1\n faddp\n fildl %[v]\n fildl %[v]\n fld1\n fsubrp\n fildl %[v]\n"
			 "std\n 1: dec %[n]\n jnz 1b\n sub $128, %%rsp\n pushfq\n pop %[f]\n add $128, %%rsp\n cld\n"
			 "fistpll %[o0]\n fistpll %[o1]\n fistpll %[o2]\n fistpll %[o3]\n"
			 : [n] "+r"(loops), [f] "=&r"(flags), [o0] "=m"(out[0]), [o1] "=m"(out[1]), [o2] "=m"(out[2]),
			   [o3] "=m"(out[3])
			 : [v] "m"(load)
			 : "cc", "memory");
	bad += !(flags & 0x400);
	for (i = 0; i < 4; i++)
		bad += out[i] != v && out[i] != v + 1 && out[i] != 1 - v && out[i] != v - 1;
	return bad;
}

static void *hold(void *arg)
{
	unsigned long id = (unsigned long)(uintptr_t)arg, i, n, loops = 400000;
	static const int rounding[4] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
	unsigned char in[16][16], out[16][16], in32[4][32], out32[4][32];
	long rounds = check_rounds(12), r;
	uint64_t rng = id * 7919 + 1;

	CHECK_EQ(fesetround(rounding[id % 4]), 0);
	for (r = 0; r < rounds; r++) {
		for (i = 0; i < 16; i++)
			for (n = 0; n < 16; n++)
				in[i][n] = (unsigned char)check_random(&rng);
		for (i = 0; i < 4; i++)
			for (n = 0; n < 32; n++)
				in32[i][n] = (unsigned char)check_random(&rng);
		CHECK_EQ(hold_general(check_random(&rng), loops), 0);
		hold_sse(in, out, loops);
		CHECK(memcmp(in, out, sizeof(in)) == 0);
		if (have_avx) {
			hold_avx(in32, out32, loops);
			CHECK(memcmp(in32, out32, sizeof(in32)) == 0);
		}
		CHECK_EQ(hold_x87((long)id * 1000 + r, loops), 0);
		CHECK_EQ(fegetround(), rounding[id % 4]);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[9];
	uintptr_t i;

	have_avx = detect_avx();
	for (i = 0; i < 9; i++)
		threads[i] = check_spawn(hold, (void *)(i + 1));
	for (i = 0; i < 9; i++)
		check_join(threads[i]);
	return 0;
}
