# SPDX-License-Identifier: BSD-3-Clause
mod := plat
$(mod)-srcs := vm/init.c vm/bootinfo.c vm/memmap.c vm/hw.c vm/acpi.c vm/lapic.c vm/ioapic.c vm/kvmclock.c vm/calibrate.c vm/clock.c vm/rtc.c \
	vm/control.c vm/console.c vm/crash.c vm/trap.c vm/smp.c vm/ap_start.S vm/entropy.c
$(mod)-deps := lib arch sync
