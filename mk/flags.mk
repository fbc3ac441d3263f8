# SPDX-License-Identifier: BSD-3-Clause
#
# Compiler and linker flags. KERNEL_CFLAGS is for tutti's own code; ports and applications add SSE, the red zone and a
# hosted C library, so their flags stand apart. An architecture is chosen by include path.

ARCH := x86_64
GCC_INCLUDE := $(shell $(CC) -print-file-name=include)
OPT := $(if $(CONFIG_OPTIMIZE_SIZE),-Os,-O2)

WARNINGS := -Wall -Wextra -Wshadow -Wundef -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wimplicit-fallthrough $(if $(WERROR),-Werror)

# What every object needs: position independent, collectable by section, no paths of this machine in it.
COMMON_CFLAGS := $(OPT) -g -fPIE -ffunction-sections -fdata-sections -fvisibility=hidden -fno-stack-protector \
	-fcf-protection=none -fno-asynchronous-unwind-tables -fno-unwind-tables -ffile-prefix-map=$(CURDIR)/=

KERNEL_INCLUDES := -I. -Iinclude -Iarch/$(ARCH) -I$(BASE)/gen -include $(BASE)/gen/config.h
KERNEL_CFLAGS := -std=gnu17 $(COMMON_CFLAGS) -mno-red-zone -mgeneral-regs-only -fno-omit-frame-pointer \
	-ffreestanding -fno-strict-aliasing -nostdinc -idirafter $(GCC_INCLUDE) $(WARNINGS) $(KERNEL_INCLUDES)
KERNEL_ASFLAGS := -g -fPIE $(KERNEL_INCLUDES) -Wa,--noexecstack -ffile-prefix-map=$(CURDIR)/=

# Upstream allocators: their own warnings are not ours to fix. Never called in interrupt or fault context.
PORT_CFLAGS := $(COMMON_CFLAGS) -fno-omit-frame-pointer -ftls-model=local-exec -w

# Applications; mk/link.py adds the absolute include and library paths. No red zone: inline functions of the public headers
# push and pop (saving the interrupt flag).
APP_CFLAGS := $(OPT) -g -fPIE -ffunction-sections -fdata-sections -fno-stack-protector -fcf-protection=none \
	-fno-omit-frame-pointer -fno-asynchronous-unwind-tables -mno-red-zone
LDSCRIPT := arch/$(ARCH)/tutti.lds
APP_LDFLAGS := -nostdlib -static-pie -Wl,-z,pack-relative-relocs -Wl,-z,noexecstack -Wl,-z,separate-code \
	-Wl,-z,max-page-size=4096 -Wl,-z,text -Wl,--build-id=sha1 -Wl,--gc-sections -Wl,--hash-style=gnu
