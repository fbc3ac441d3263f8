# SPDX-License-Identifier: BSD-3-Clause
"""Machines of every size and kind the tool can start."""

import re

LINES = """
#include <pthread.h>
static void *run(void *arg) { return arg; }
int main(int argc, char **argv)
{
	pthread_t thread;
	void *back = NULL;
	if (pthread_create(&thread, NULL, run, argv) || pthread_join(thread, &back) || back != argv)
		return 1;
	printf("%ld %ld\\n", sysconf(_SC_NPROCESSORS_CONF), sysconf(_SC_NPROCESSORS_ONLN));
	return 0;
}
"""


def test_many_cpus(t):
    program = t.c(LINES)
    for machine in ("microvm", "q35"):
        for cpus in ("8", "16"):
            outcome = t.tutti(["run", program, "--machine", machine, "-c", cpus, "--timeout", "60"], check=0)
            assert outcome.out == ("%s %s\n" % (cpus, cpus)).encode(), outcome


test_many_cpus.timeout = 240


def test_hello(t):
    """A line from each CPU, nothing else."""
    for machine in ("microvm", "q35"):
        for cpus in (1, 2, 4):
            outcome = t.tutti(["run", "hello", "-c", str(cpus), "--machine", machine], check=0)
            assert len(outcome.out.splitlines()) == cpus and outcome.err == b"", outcome
            numbers = {int(re.search(rb"CPU (\d+)", line).group(1)) for line in outcome.out.splitlines()}
            assert numbers == set(range(cpus)), outcome


def test_minimal(t):
    """The smallest configuration builds, boots with 2 MiB and is not larger than it may be."""
    outcome = t.tutti(["run", "hello", "--config", "minimal", "-m", "2M", "-c", "1"], check=0, timeout=200)
    assert outcome.out, outcome
    import os
    image = os.path.join(t.root, "build", "minimal", "images", "hello")
    # 144 KiB before there were policies and priorities, PI and robust futexes, timers of programs, RCU and the watchdog.
    assert os.path.getsize(image) <= 160 * 1024, os.path.getsize(image)


test_minimal.timeout = 240


def test_size(t):
    import os
    t.tutti(["run", "hello", "-m", "6M"], check=0)
    image = os.path.join(t.root, "build", "default", "images", "hello")
    assert os.path.getsize(image) <= 320 * 1024, os.path.getsize(image)


def test_mimalloc_in_16_mebibytes(t):
    program = t.c('for (int i = 0; i < 1000; i++) { char *p = malloc(1000); if (!p) return 1; memset(p, i, 1000); } puts("ok");')
    assert t.tutti(["run", program, "-m", "16M", "--alloc", "mimalloc"], check=0).out == b"ok\n"


def test_kvm(t):
    """kvmclock, x2APIC and the TSC deadline run here where /dev/kvm opens, and nowhere else."""
    from tuttilib import qemu
    if not qemu.kvm_opens():
        t.skip("/dev/kvm does not open here")
    # The smallest configuration: its C library is built without vector instructions, which an interpreting KVM may not know.
    outcome = t.tutti(["run", "hello", "--config", "minimal", "--accel", "kvm", "-c", "2", "--timeout", "60", "--verbose"],
                      check=0, timeout=80)
    assert b"kvmclock" in outcome.err and b"x2APIC" in outcome.err, outcome
    assert len(outcome.out.splitlines()) == 2, outcome


test_kvm.timeout = 280


def test_base_cpu(t):
    """A CPU without XSAVE and FSGSBASE: rounding mode and thread pointer are the thread's own across switches and preemption."""
    program = t.c("""
#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
static __thread volatile int mine;
static void *run(void *arg)
{
	static const int modes[] = { FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO };
	int n = (int)(long)arg, mode = modes[n % 4];

	mine = n;
	fesetround(mode);
	for (volatile int i = 0; i < 3000000; i++) {
		if (i % 1000 == 0)
			sched_yield();
		if (mine != n || fegetround() != mode)
			return "changed";
	}
	return NULL;
}
int main(void)
{
	pthread_t t[6];
	void *bad;
	for (long i = 0; i < 6; i++)
		pthread_create(&t[i], NULL, run, (void *)i);
	for (int i = 0; i < 6; i++)
		if (pthread_join(t[i], &bad) || bad)
			return 1;
	puts("ok");
	return 0;
}
""")
    for cpu in ("base", "full"):
        assert t.tutti(["run", program, "-c", "2", "--append", "tutti.cpu=" + cpu], check=0, timeout=60).out == b"ok\n"


test_base_cpu.timeout = 120


def test_clean_boot_error(t):
    """A machine that QEMU itself refuses is one line too."""
    image = t.write("truncated", open(t.root + "/tutti", "rb").read(100))
    t.usage_error(["run", image], "ELF")
