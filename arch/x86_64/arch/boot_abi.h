/* SPDX-License-Identifier: BSD-3-Clause */
/* Constants that boot.S, entry.S and plat/vm/ap_start.S share with C. Included by assembly too: defines only. */
#pragma once

/* Control register and MSR bits (Intel SDM vol. 3, 2.5; vol. 4). */
#define CR0_BOOT       0x80010033 /* PG WP NE ET MP PE */
#define CR4_PAE	       (1 << 5)
#define CR4_PGE	       (1 << 7)
#define CR4_OSFXSR     (1 << 9)
#define CR4_OSXMMEXCPT (1 << 10)
#define CR4_FSGSBASE   (1 << 16)
#define CR4_OSXSAVE    (1 << 18)
#define MSR_EFER       0xc0000080
#define EFER_LME       (1 << 8)
#define EFER_NXE       (1 << 11)
#define MSR_FS_BASE    0xc0000100
#define MSR_GS_BASE    0xc0000101

/* Segments. One GDT for all CPUs; CPU i's TSS follows at SEL_TSS + 16 * i. */
#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS	 0x18

/* struct percpu */
#define PERCPU_SELF	     0
#define PERCPU_CURRENT	     8
#define PERCPU_KSTACK_TOP    16
#define PERCPU_KSTACK_BASE   24
#define PERCPU_PREEMPT_COUNT 32
#define PERCPU_HW_ID	     44
#define PERCPU_IRQ_OFF	     56
#define PERCPU_IRQ_PENDING   60
#define PERCPU_SIZE	     128

/* Vectors: 32 exceptions, 16 lines of the I/O APIC, then what a local APIC raises. */
#define VECTOR_IRQ	  0x20
#define VECTOR_TIMER	  0x30
#define VECTOR_RESCHEDULE 0x31
#define VECTOR_SHOOTDOWN  0x32
#define VECTOR_ERROR	  0x33
#define VECTOR_SPURIOUS	  0x3f
#define VECTOR_COUNT	  0x40
/* Not the processor's: what is pending on a CPU of the host platform, and a `syscall` instruction of the program. */
#define VECTOR_PENDING 0x41
#define VECTOR_SYSCALL 0x80

/* Interrupt stacks: numbers in the TSS, and the parts of one 16 KiB block per CPU. */
#define IST_DOUBLE_FAULT  1
#define IST_NMI		  2
#define IST_MACHINE_CHECK 3
#define IST_EXCEPTION	  4
#define IST_INTERRUPT	  5
#define IST_BLOCK	  16384
#define IST_BLOCK_ORDER	  2
#define IST_BIG		  4096
#define IST_SMALL	  2048

/* Physical pages of the start of other CPUs: trampoline, then transition tables (root, and three for the identity page). */
#define AP_TRAMPOLINE_PHYS 0x8000
#define AP_TABLES_PHYS	   0x9000
#define AP_LOW_END	   0xd000
