# SPDX-License-Identifier: BSD-3-Clause
"""A host image is an ordinary program to gdb, perf and valgrind (docs/debugging.md); what is not installed is skipped."""

import os
import re
import shutil

PROGRAM = """
#include <pthread.h>
static volatile long work_done;
__attribute__((noinline)) static void hot_function(long n)
{
	while (n--)
		work_done++;
}
static void *thread(void *arg)
{
	hot_function((long)arg);
	return arg;
}
int main(int argc, char **argv)
{
	pthread_t t;
	long n = argc > 1 ? atol(argv[1]) : 1000;
	pthread_create(&t, 0, thread, (void *)n);
	pthread_join(t, 0);
	char *p = malloc(1 << 20);
	memset(p, argc, 1 << 20);	/* pages that come by fault */
	printf("%ld done, %d\\n", work_done, p[4711]);
	return 0;
}
"""


def needs(t, name):
    if not shutil.which(name):
        t.skip(name + " is not installed")


def image(t):
    path = os.path.join(t.tmp, "program")
    t.tutti(["build", t.c(PROGRAM, "program.c"), "--plat", "host", "-o", path], check=0, timeout=600)
    return path + ".debug"


def test_gdb(t):
    """`tutti debug`: a breakpoint in a thread, its backtrace up to the kernel, the variable, the end."""
    needs(t, "gdb")
    words = ["debug", t.c(PROGRAM, "program.c"), "--plat", "host", "-c", "2"]
    script = b"break hot_function\nrun\nbacktrace\nprint n\ndelete\ncontinue\n"
    outcome = t.tutti(words, stdin=script, timeout=600, check=0)
    said = outcome.out.decode()
    for pattern in (r"hit Breakpoint 1, .*hot_function \(n=(n@entry=)?1000\)", r"#1 .* thread \(arg=0x3e8\)", r"child_main [^#]*posix/process\.c",
                    r"\$1 = 1000", r"1000 done, 1", r"exited normally"):
        assert re.search(pattern, said), (pattern, outcome)


def test_callgrind(t):
    """With the option that keeps registers exact at faults; every instruction is counted and the counts have names."""
    needs(t, "valgrind")
    path, counts = image(t), os.path.join(t.tmp, "counts")
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=" + counts, "--vex-iropt-register-updates=allregs-at-mem-access",
               path]
    for cpus in ("1", "2"):
        outcome = t.command(command, env=dict(os.environ, TUTTI_KEYS="tutti.cpus=" + cpus), check=0)
        assert outcome.out == b"1000 done, 1\n", outcome
        with open(counts, encoding="utf-8") as file:
            text = file.read()
        for name in ("main", "hot_function", "sys_clone", "switch_away"):
            assert re.search(r"fn=\(\d+\) %s" % name, text), name


def test_perf(t):
    """Samples are put down to functions, with callers by frame pointers."""
    needs(t, "perf")
    path, data = image(t), os.path.join(t.tmp, "perf.data")
    outcome = t.command(["perf", "record", "-q", "-F", "999", "-g", "-o", data, path, "300000000"])
    if outcome.status:
        t.skip("perf cannot record here: " + (outcome.lines() or ["no word"])[0])
    outcome = t.command(["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "caller"], check=0)
    top = [line for line in outcome.out.decode().splitlines() if re.match(r"\s+\d+\.\d+%", line)]
    assert top and "hot_function" in top[0], outcome
