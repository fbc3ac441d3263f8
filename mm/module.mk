# SPDX-License-Identifier: BSD-3-Clause
mod := mm
$(mod)-srcs := frames.c slab.c pagetable.c shootdown.c vma.c fault.c kva.c init.c report.c
$(mod)-deps := lib arch sync plat check
