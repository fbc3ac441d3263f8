/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The yardstick for boot time: the smallest PVH image that prints one line and exits. It stays in the 32-bit mode it is entered in,
 * so whatever a run of it costs is the emulator's start. The line goes out on the first serial port (stdout); the entry
 * line, the status line and the debug-exit device follow the control channel that a tutti image uses, so the same runner
 * measures both. Build:
 *
 *	gcc -m32 -nostdlib -static -no-pie -Wl,-T,tests/yardstick/yardstick.lds -Wl,--build-id=none tests/yardstick/yardstick.S -o yardstick
 */
	.section .note, "a", @note
	.long	4, 4, 18	/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	entry
	.long	0

	.text
	.code32
	.globl	entry
entry:
	mov	$0xe9, %dx
	mov	$entered, %esi
	mov	$entered_len, %ecx
	rep outsb
	mov	$0x3f8, %dx
	mov	$line, %esi
	mov	$line_len, %ecx
	rep outsb
	mov	$0xe9, %dx
	mov	$status, %esi
	mov	$status_len, %ecx
	rep outsb
	mov	$0x501, %dx
	xor	%eax, %eax
	out	%ax, %dx
1:	hlt
	jmp	1b

	.section .rodata, "a", @progbits
entered:
	.ascii	"R\n"
	.set	entered_len, . - entered
line:
	.ascii	"hello\n"
	.set	line_len, . - line
status:
	.ascii	"E 0\n"
	.set	status_len, . - status
	.section .note.GNU-stack, "", @progbits
