/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the loader to C on the boot CPU. Entered by PVH (Xen "x86/HVM direct boot ABI"): 32-bit protected mode, flat
 * segments, paging and interrupts off, EBX = physical address of the start info; the image lies at 0x100000 + its link
 * address, zeroed data included. Leaves in 64-bit mode at tutti_main() with final permissions on every page of the image,
 * relocations applied, GS at percpu_areas[0], the boot stack, and interrupts off.
 *
 * The 32-bit part is position independent: EBP holds the physical address of boot_origin and everything is addressed
 * relative to it, because a static-PIE can hold no 32-bit absolute addresses. Only the first page of text is mapped at
 * its physical address (R-X), for the few instructions between turning paging on and the jump up.
 *
 * Early tables are described in arch/image.h. No memory is asked for; a CPU that cannot run tutti gets one line on the
 * control channel and status 2.
 */
#include <arch/boot_abi.h>

#define IMAGE_BASE 0x0000555555400000 /* ARCH_IMAGE_BASE */
#define TABLE(n) (boot_page_tables + 4096 * (n) - boot_origin)(%ebp)
#define PA(sym) (sym - boot_origin)(%ebp)
#define PT_POOL 8
#define PT_COUNT 13
#define PTE_P 0x001
#define PTE_W 0x002
#define PTE_AD 0x060
#define PTE_PS 0x080
#define NX_HIGH 0x80000000
#define DIRECT_SLOT 256 /* root entry of ARCH_DIRECT_MAP */
#define IMAGE_SLOT ((IMAGE_BASE >> 39) & 511)
#define IMAGE_PDPT ((IMAGE_BASE >> 30) & 511)
#define IMAGE_PD ((IMAGE_BASE >> 21) & 511)
#define SCRATCH 0x6ffc

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 8, 18			/* XEN_ELFNOTE_PHYS32_ENTRY; 8 bytes: QEMU reads a word of the image's class */
	.asciz "Xen"			/* the linker script appends the address */

	.section .text.boot, "ax", @progbits
	.code32
	.globl boot_pvh_entry
	.hidden boot_pvh_entry
	.type boot_pvh_entry, @function
boot_pvh_entry:
	cld
	rdtsc
	mov	%eax, %edi
	mov	%edx, %esi
	/* where am I? there is no stack yet: borrow one word of low memory and give it back */
	mov	SCRATCH, %ecx
	mov	$(SCRATCH + 4), %esp
	call	boot_origin
boot_origin:
	pop	%ebp
	mov	%ecx, SCRATCH
	lea	PA(boot_stack_top), %esp
	mov	%edi, PA(boot_tsc)
	mov	%esi, 4 + PA(boot_tsc)
	mov	%ebx, PA(boot_start_info)

	/* 64-bit mode and no-execute are what everything else stands on */
	mov	$0x80000000, %eax
	cpuid
	cmp	$0x80000001, %eax
	jb	no_cpu
	mov	$0x80000001, %eax
	cpuid
	test	$(1 << 29), %edx
	jz	no_cpu
	test	$(1 << 20), %edx
	jz	no_cpu

	/* root */
	lea	TABLE(1), %eax
	or	$(PTE_P | PTE_W | PTE_AD), %eax
	mov	%eax, 8 * DIRECT_SLOT + TABLE(0)
	lea	TABLE(3), %eax
	or	$(PTE_P | PTE_W | PTE_AD), %eax
	mov	%eax, 8 * IMAGE_SLOT + TABLE(0)
	lea	TABLE(5), %eax
	or	$(PTE_P | PTE_W | PTE_AD), %eax
	mov	%eax, TABLE(0)
	/* direct map: 512 pages of 2 MiB */
	lea	TABLE(2), %eax
	or	$(PTE_P | PTE_W | PTE_AD), %eax
	mov	%eax, TABLE(1)
	lea	TABLE(2), %edi
	mov	$(PTE_P | PTE_W | PTE_AD | PTE_PS), %eax
1:	mov	%eax, (%edi)
	movl	$NX_HIGH, 4(%edi)
	add	$8, %edi
	add	$0x200000, %eax
	cmp	$0x40000000, %eax
	jb	1b
	/* identity: the first page of text */
	lea	TABLE(6), %eax
	or	$(PTE_P | PTE_W | PTE_AD), %eax
	mov	%eax, TABLE(5)
	lea	TABLE(7), %eax
	or	$(PTE_P | PTE_W | PTE_AD), %eax
	mov	%eax, TABLE(6)
	lea	PA(__text_start), %eax
	mov	%eax, %ecx
	shr	$12, %ecx
	and	$511, %ecx
	or	$(PTE_P | PTE_AD), %eax
	lea	TABLE(7), %edi
	mov	%eax, (%edi, %ecx, 8)
	/* the identity page lies in the first 2 MiB unless read-only data is larger than a MiB: point its own entry there */
	lea	PA(__text_start), %ecx
	shr	$21, %ecx
	lea	TABLE(6), %edi
	lea	TABLE(7), %eax
	or	$(PTE_P | PTE_W | PTE_AD), %eax
	movl	$0, (%edi)
	mov	%eax, (%edi, %ecx, 8)

	/* image */
	lea	TABLE(4), %eax
	or	$(PTE_P | PTE_W | PTE_AD), %eax
	mov	%eax, 8 * IMAGE_PDPT + TABLE(3)
	lea	TABLE(PT_POOL), %eax
	mov	%eax, PA(next_table)
	lea	PA(__image_start), %esi
	lea	PA(__text_start), %edi
	mov	$(PTE_P | PTE_AD), %ebx
	mov	$NX_HIGH, %edx
	call	map_range
	lea	PA(__text_end), %edi
	xor	%edx, %edx
	call	map_range
	lea	PA(__image_end), %edi
	mov	$(PTE_P | PTE_W | PTE_AD), %ebx
	mov	$NX_HIGH, %edx
	call	map_range
	/* guard below the boot stack, where that 2 MiB has 4 KiB entries */
	lea	PA(boot_stack_guard), %eax
	mov	%eax, %ecx
	shr	$21, %ecx
	lea	TABLE(4), %edi
	mov	8 * IMAGE_PD(%edi, %ecx, 8), %edi
	test	$PTE_PS, %edi
	jnz	1f
	and	$0xfffff000, %edi
	shr	$12, %eax
	and	$511, %eax
	movl	$0, (%edi, %eax, 8)
	movl	$0, 4(%edi, %eax, 8)
1:
	/* long mode */
	mov	$(CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
	mov	%eax, %cr4
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$(EFER_LME | EFER_NXE), %eax
	wrmsr
	lea	TABLE(0), %eax
	mov	%eax, %cr3
	lea	PA(boot_gdt), %eax
	sub	$8, %esp
	movw	$(boot_gdt_end - boot_gdt - 1), (%esp)
	mov	%eax, 2(%esp)
	lgdt	(%esp)
	lea	PA(boot_long), %eax
	mov	%eax, PA(boot_far)
	mov	$CR0_BOOT, %eax
	mov	%eax, %cr0
	/* from here on only this page is where it was: no stack */
	ljmp	*PA(boot_far)

/* Map [esi, edi) of the image with flags edx:ebx; esi = edi afterwards. Uses eax, ecx; whole 2 MiB pages where they fit. */
map_range:
	cmp	%edi, %esi
	jae	3f
	mov	%esi, %ecx
	shr	$21, %ecx
	lea	TABLE(4), %eax
	lea	8 * IMAGE_PD(%eax, %ecx, 8), %ecx	/* entry of this 2 MiB */
	mov	(%ecx), %eax
	test	%eax, %eax
	jnz	1f
	test	$0x1fffff, %esi
	jnz	0f
	lea	0x200000(%esi), %eax
	cmp	%edi, %eax
	ja	0f
	mov	%esi, %eax
	or	%ebx, %eax
	or	$PTE_PS, %eax
	mov	%eax, (%ecx)
	mov	%edx, 4(%ecx)
	add	$0x200000, %esi
	jmp	2f
0:	mov	PA(next_table), %eax
	addl	$4096, PA(next_table)
	or	$(PTE_P | PTE_W | PTE_AD), %eax
	mov	%eax, (%ecx)
1:	and	$0xfffff000, %eax
	mov	%esi, %ecx
	shr	$12, %ecx
	and	$511, %ecx
	lea	(%eax, %ecx, 8), %ecx
	mov	%esi, %eax
	or	%ebx, %eax
	mov	%eax, (%ecx)
	mov	%edx, 4(%ecx)
	add	$4096, %esi
2:	jmp	map_range
3:	ret

no_cpu:
	lea	PA(no_cpu_text), %esi
	mov	$(no_cpu_end - no_cpu_text), %ecx
	mov	$0xe9, %edx
	rep outsb
	mov	$2, %eax
	mov	$0x501, %edx
	out	%ax, %dx
1:	hlt
	jmp	1b
no_cpu_text:
	.ascii	"B this CPU has no 64-bit mode or no execute disable\nE 2\n"
no_cpu_end:

	.balign 8
boot_gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* 64-bit code */
	.quad	0x00cf93000000ffff	/* data */
boot_gdt_end:
boot_far:
	.long	0		/* written before paging is on */
	.word	SEL_CODE

	.code64
boot_long:
	mov	$SEL_DATA, %eax
	mov	%eax, %ss
	mov	%eax, %ds
	mov	%eax, %es
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	/* up to the address that the image was mapped at: virtual = physical + IMAGE_BASE */
	movabs	$IMAGE_BASE, %rbx
	lea	boot_high(%rip), %rax
	add	%rbx, %rax
	jmp	*%rax
boot_high:
	lea	boot_stack_top(%rip), %rsp
	xor	%ebp, %ebp

	lea	percpu_areas(%rip), %rax
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$MSR_GS_BASE, %ecx
	wrmsr
	lea	percpu_areas(%rip), %rax
	mov	%rax, PERCPU_SELF(%rax)
	mov	%rsp, PERCPU_KSTACK_TOP(%rax)
	lea	boot_stack(%rip), %rcx
	mov	%rcx, PERCPU_KSTACK_BASE(%rax)

	/* relative relocations in their packed form: an address, then bitmaps of the 63 words after it */
	lea	__image_start(%rip), %rdi	/* = load bias: the image is linked at 0 */
	lea	__relr_start(%rip), %rsi
	lea	__relr_end(%rip), %rdx
	xor	%ecx, %ecx
1:	cmp	%rdx, %rsi
	jae	5f
	mov	(%rsi), %rax
	add	$8, %rsi
	test	$1, %al
	jnz	2f
	lea	(%rdi, %rax), %rcx
	add	%rdi, (%rcx)
	add	$8, %rcx
	jmp	1b
2:	mov	%rcx, %r8
3:	shr	$1, %rax
	jz	4f
	test	$1, %al
	jz	0f
	add	%rdi, (%r8)
0:	add	$8, %r8
	jmp	3b
4:	add	$(63 * 8), %rcx
	jmp	1b
5:
	/* and the unpacked ones; type 8 is R_X86_64_RELATIVE */
	lea	__rela_start(%rip), %rsi
	lea	__rela_end(%rip), %rdx
6:	cmp	%rdx, %rsi
	jae	8f
	cmpl	$8, 8(%rsi)
	jne	7f
	mov	(%rsi), %rax
	mov	16(%rsi), %rcx
	add	%rdi, %rcx
	mov	%rcx, (%rdi, %rax)
7:	add	$24, %rsi
	jmp	6b
8:
	call	tutti_main
	ud2

	.section .bss.boot, "aw", @nobits
	.balign 4096
	.globl boot_page_tables, boot_stack_guard, boot_stack, boot_stack_top, boot_tsc, boot_start_info
	.hidden boot_page_tables, boot_stack_guard, boot_stack, boot_stack_top, boot_tsc, boot_start_info
boot_page_tables:
	.skip	4096 * PT_COUNT
boot_stack_guard:
	.skip	4096
boot_stack:
	.skip	16384
boot_stack_top:
boot_tsc:
	.skip	8
boot_start_info:
	.skip	4
next_table:
	.skip	4
