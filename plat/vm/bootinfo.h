/* SPDX-License-Identifier: BSD-3-Clause */
/* What the loader handed over; internal to plat/vm. */
#pragma once

#include <stdbool.h>

#include "plat/plat.h"

/* Read and copy the start info. Ends the machine with a line if it is not one. */
void bootinfo_init(void);
/* Physical address of the ACPI root pointer, 0 if the loader gave none. */
paddr_t bootinfo_rsdp(void);
/* Is `word` one of the space-separated words of the command line? */
bool bootinfo_cmdline_has(const char *word);
