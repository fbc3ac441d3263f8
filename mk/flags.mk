# SPDX-License-Identifier: BSD-3-Clause
#
# Compiler and linker flags. KERNEL_CFLAGS is for tutti's own code; ports and applications add SSE, the red zone and a
# hosted C library, so their flags stand apart. The architecture, and in it whether tutti owns the machine (ring0) or is a
# Linux process (soft), is chosen by include path. check/flags.mk, read before this, may set for each KIND of checked build:
#
#   CHECK_CFLAGS_KIND       tutti's own code, where a module does not say `check := no`
#   CHECK_APP_CFLAGS_KIND   programs
#   CHECK_LDFLAGS_KIND      images
#   CHECK_PLATS_KIND        the platforms it works on (tools/tuttilib reads it too)

ARCH := x86_64
ARCH_DIRS := arch/$(ARCH) arch/$(if $(filter host,$(PLAT)),soft,ring0)
GCC_INCLUDE := $(shell $(CC) -print-file-name=include)
OPT := $(if $(CONFIG_OPTIMIZE_SIZE),-Os,-O2)

WARNINGS := -Wall -Wextra -Wshadow -Wundef -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wimplicit-fallthrough $(if $(WERROR),-Werror)

# What every object needs: position independent, collectable by section, no paths of this machine in it.
COMMON_CFLAGS := $(OPT) -g -fPIE -ffunction-sections -fdata-sections -fvisibility=hidden -fno-stack-protector \
	-fcf-protection=none -fno-asynchronous-unwind-tables -fno-unwind-tables -ffile-prefix-map=$(CURDIR)/=

# What a compiler makes of accesses for the race detector; replay turns each of them into a point where the CPU may change, so
# there third-party code gets it as well.
TSAN_CFLAGS := -fsanitize=thread --param tsan-distinguish-volatile=1
CHECK_CFLAGS_race ?= $(TSAN_CFLAGS)
CHECK_CFLAGS_replay ?= $(TSAN_CFLAGS)
CHECK_APP_CFLAGS_race ?= $(TSAN_CFLAGS)
CHECK_APP_CFLAGS_replay ?= $(TSAN_CFLAGS)
CHECK_PLATS_race ?= vm host
CHECK_PLATS_memory ?= host
CHECK_PLATS_undefined ?= vm host
CHECK_PLATS_replay ?= host
ifneq ($(CHECK),)
ifeq ($(filter $(PLAT),$(CHECK_PLATS_$(CHECK))),)
$(error tutti: check $(CHECK) does not work on platform $(PLAT))
endif
CHECK_CFLAGS := $(CHECK_CFLAGS_$(CHECK))
THIRD_PARTY_CFLAGS := $(if $(filter replay,$(CHECK)),$(TSAN_CFLAGS))
endif

# Every lock calls the validator and the statistics; programs see the same locks, so they are told, too.
LOCK_HOOKS := $(if $(CONFIG_LOCK_VALIDATOR)$(CONFIG_LOCKSTAT),-D__TUTTI_LOCK_HOOKS__)
# Assertions and metrics of sleeping locks are in their out-of-line halves: no inline fast paths, in programs neither.
LOCK_HOOKS += $(if $(CONFIG_DEBUG)$(CONFIG_MUTEX_METRICS),-D__TUTTI_LOCK_CALLS__)

KERNEL_INCLUDES := -I. -Iinclude $(addprefix -I,$(ARCH_DIRS)) -I$(BASE)/gen -include $(BASE)/gen/config.h
KERNEL_CFLAGS := -std=gnu17 $(COMMON_CFLAGS) -mno-red-zone -mgeneral-regs-only -fno-omit-frame-pointer \
	-ffreestanding -fno-strict-aliasing -nostdinc -idirafter $(GCC_INCLUDE) $(WARNINGS) $(LOCK_HOOKS) $(KERNEL_INCLUDES)
KERNEL_ASFLAGS := -g -fPIE $(KERNEL_INCLUDES) -Wa,--noexecstack -ffile-prefix-map=$(CURDIR)/=

# Upstream allocators: their own warnings are not ours to fix. Never called in interrupt or fault context.
PORT_CFLAGS := $(COMMON_CFLAGS) -fno-omit-frame-pointer -ftls-model=local-exec -w $(THIRD_PARTY_CFLAGS)

# Applications; mk/link.py adds the absolute include and library paths. No red zone: inline functions of the public headers
# push and pop (saving the interrupt flag).
APP_CFLAGS := $(OPT) -g -fPIE -ffunction-sections -fdata-sections -fno-stack-protector -fcf-protection=none \
	-fno-omit-frame-pointer -fno-asynchronous-unwind-tables -mno-red-zone $(LOCK_HOOKS) $(CHECK_APP_CFLAGS_$(CHECK))

# A machine's image moves itself to where it runs; a process stands at fixed addresses.
IMAGE_vm := -static-pie -Wl,-z,pack-relative-relocs
IMAGE_host := -static -no-pie
LDSCRIPT := $(lastword $(ARCH_DIRS))/tutti.lds
APP_LDFLAGS := -nostdlib $(IMAGE_$(PLAT)) -Wl,-z,noexecstack -Wl,-z,separate-code \
	-Wl,-z,max-page-size=4096 -Wl,-z,text -Wl,--build-id=sha1 -Wl,--gc-sections -Wl,--hash-style=gnu $(CHECK_LDFLAGS_$(CHECK))
