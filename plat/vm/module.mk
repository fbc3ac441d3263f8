# SPDX-License-Identifier: BSD-3-Clause
mod := plat-vm
$(mod)-srcs := init.c bootinfo.c memmap.c hw.c acpi.c lapic.c ioapic.c kvmclock.c calibrate.c clock.c rtc.c control.c console.c \
	trap.c smp.c ap_start.S entropy.c
$(mod)-deps := lib arch sync plat
$(mod)-check := no
