/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Start of a CPU other than the boot CPU. The blob between ap_trampoline and ap_trampoline_end is copied to one page of
 * low memory (AP_TRAMPOLINE_PHYS), where a start-up command makes the CPU begin in real mode. It knows its own address and
 * nothing else; plat/vm/smp.c fills in the transition root and the address to go on at. From the moment that paging is on,
 * the page is mapped without write permission, so the far jumps are there before and only reads come after.
 */
#include <arch/boot_abi.h>

#define HERE(sym) (AP_TRAMPOLINE_PHYS + (sym) - ap_trampoline)

	.section .rodata.ap_trampoline, "a", @progbits
	.balign 16
	.globl ap_trampoline, ap_trampoline_end, ap_cr3, ap_entry
	.hidden ap_trampoline, ap_trampoline_end, ap_cr3, ap_entry
	.code16
ap_trampoline:
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	ap_gdt_pointer - ap_trampoline
	mov	$1, %eax
	mov	%eax, %cr0
	ljmpl	$0x18, $HERE(ap_32)
	.code32
ap_32:
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %ss
	mov	%eax, %es
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	mov	$(CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
	mov	%eax, %cr4
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$(EFER_LME | EFER_NXE), %eax
	wrmsr
	mov	HERE(ap_cr3), %eax
	mov	%eax, %cr3
	mov	$CR0_BOOT, %eax
	mov	%eax, %cr0
	ljmp	$SEL_CODE, $HERE(ap_64)
	.code64
ap_64:
	mov	ap_entry(%rip), %rax
	jmp	*%rax
	.balign 8
ap_entry:
	.quad	0
ap_gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* 64-bit code */
	.quad	0x00cf93000000ffff	/* data */
	.quad	0x00cf9b000000ffff	/* 32-bit code */
ap_gdt_pointer:
	.word	ap_gdt_pointer - ap_gdt - 1
	.long	HERE(ap_gdt)
ap_cr3:
	.long	0
ap_trampoline_end:

	.text
	.globl ap_high
	.hidden ap_high
	.type ap_high, @function
ap_high:
	mov	ap_real_root(%rip), %rax
	mov	%rax, %cr3
	/* which one am I? APIC id: the 32-bit one if CPUID has it, else the initial 8-bit one */
	xor	%eax, %eax
	cpuid
	cmp	$0xb, %eax
	jb	1f
	mov	$0xb, %eax
	xor	%ecx, %ecx
	cpuid
	test	%ebx, %ebx
	jnz	2f
1:	mov	$1, %eax
	cpuid
	shr	$24, %ebx
	mov	%ebx, %edx
2:	mov	$1, %edi
	lea	percpu_areas(%rip), %rsi
3:	cmp	ap_cpu_count(%rip), %edi
	jae	5f
	add	$PERCPU_SIZE, %rsi
	cmp	%edx, PERCPU_HW_ID(%rsi)
	je	4f
	inc	%edi
	jmp	3b
4:	mov	%rsi, %rax
	mov	%rsi, %rdx
	shr	$32, %rdx
	mov	$MSR_GS_BASE, %ecx
	wrmsr
	mov	PERCPU_KSTACK_TOP(%rsi), %rsp
	xor	%ebp, %ebp
	call	smp_ap_main
	/* not in the list: nobody waits for this one */
5:	cli
	hlt
	jmp	5b
