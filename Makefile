# SPDX-License-Identifier: BSD-3-Clause
#
# tutti. `make run` shows it, `make test` proves it, `make help` lists the rest. The build itself is mk/kernel.mk.

CONFIG ?= default
PLAT ?= vm
CHECK ?=
PLANT ?=
VARIANT := CONFIG=$(CONFIG) PLAT=$(PLAT) CHECK=$(CHECK) PLANT=$(PLANT)
PYTHON ?= python3
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: run test lint format kernel setup check-deps print-builddir clean distclean help
.NOTPARALLEL:

run: kernel            ## build, boot hello, then the two false-sharing benchmarks on every allocator
	@./tutti run hello
	@./tutti bench cache-scratch cache-thrash

test:                  ## all tests (several minutes); prints each one's seconds
	@mk/setup.sh $(PYTHON) test
	@./tutti test

lint:                  ## format, headers, dependencies, -Werror with gcc and clang, thread safety
	@mk/setup.sh $(PYTHON) lint
	@$(PYTHON) tools/tuttilib/lint.py

format:                ## apply clang-format 14 to all sources
	@mk/setup.sh $(PYTHON) lint
	@$(PYTHON) tools/tuttilib/lint.py --fix

# One build at a time in one tree: two that start together wait for each other here.
kernel: setup          ## CONFIG=default, minimal or debug, PLAT=vm or host, CHECK=KIND, ALLOC_SRC_mimalloc=DIR, PLANT=BUG, V=1
	@mkdir -p build
	@+flock build/.lock $(MAKE) -f mk/kernel.mk $(VARIANT) all

setup:                 ## name and install the Debian packages that are missing
	@mk/setup.sh $(PYTHON) $(if $(filter host,$(PLAT)),build,run)

check-deps:            ## a module includes only what stands below it
	@$(PYTHON) tools/tuttilib/checkdeps.py

print-builddir:        ## where `make kernel` with the same variables puts its output
	@$(MAKE) -s -f mk/kernel.mk $(VARIANT) print-builddir

clean:                 ## remove build/ (the fetched sources in dl/ stay)
	@rm -rf build

distclean: clean       ## remove dl/ too
	@rm -rf dl

help:
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1:\2/p' Makefile | awk -F: '{ printf "%-22s%s\n", $$1, $$2 }'
