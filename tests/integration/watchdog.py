# SPDX-License-Identifier: BSD-3-Clause
"""The watchdog as a user meets it: a run that is over its time, or where nothing will ever happen again, says what everybody was doing;
one that only waits, sleeps or computes is left alone."""

import os
import re
import signal
import subprocess
import time

PLATS = ("vm", "host")

# one thread holds a lock with interrupts off, for ever; all others wait
STUCK = """#include <pthread.h>
#include <uk/spinlock.h>
static struct uk_spinlock lock = UK_SPINLOCK_INITIALIZER();
static void *stuck_here(void *arg)
{
	unsigned long flags;
	uk_spin_lock_irqsave(&lock, flags);
	for (;;)
		__asm__ volatile("pause");
	return arg;
}
int main(void)
{
	pthread_t t;
	pthread_create(&t, NULL, stuck_here, NULL);
	for (;;)
		pause();
}
"""

DEADLOCK = """#include <pthread.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *second_one(void *arg) { pthread_mutex_lock(&lock); return arg; }
int main(void)
{
	pthread_t t;
	pthread_mutex_lock(&lock);
	pthread_create(&t, NULL, second_one, NULL);
	pthread_join(t, NULL);
}
"""

READER = 'char c; write(1, "ready", 5); while (read(0, &c, 1) == 1) write(1, &c, 1); return 7;'
POLLER = """#include <poll.h>
int main(void)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };
	char c;
	write(1, "ready", 5);
	while (poll(&p, 1, -1) == 1 && read(0, &c, 1) == 1)
		write(1, &c, 1);
	return 7;
}
"""


def test_time_out_report(t):
    """The backtrace of a CPU that takes no interrupts, and of one that is idle; and the end comes soon after."""
    program = t.c(STUCK)
    for plat in PLATS:
        outcome = t.tutti(["run", program, "--plat", plat, "-c", "2", "--timeout", "4"], check=124)
        text = "\n".join(outcome.lines())
        assert "a report was asked for" in text and "backtrace of CPU 0" in text and "backtrace of CPU 1" in text, outcome
        assert re.search(r"stuck_here\+0x[0-9a-f]+ \([^)]*t\.c:\d+\)", text) and "does not answer" not in text, outcome
        assert "time-out after 4 s" in outcome.lines()[-1] and outcome.seconds < 30, outcome


test_time_out_report.timeout = 120


def test_time_out_one_cpu(t):
    """Nobody is there who could watch."""
    program = t.c(STUCK)
    for plat in PLATS:
        outcome = t.tutti(["run", program, "--plat", plat, "-c", "1", "--timeout", "3"], check=124)
        assert any("stuck_here+" in line for line in outcome.lines()), outcome


def test_time_out_many_cpus(t):
    """All of them spin, some with interrupts off: all are in the report."""
    program = t.c("""#include <pthread.h>
#include <uk/spinlock.h>
static struct uk_spinlock lock = UK_SPINLOCK_INITIALIZER();
static void *spin_here(void *arg)
{
	if (arg)
		uk_spin_lock_irq(&lock);
	for (volatile int i = 0;; i++)
		;
}
int main(void)
{
	pthread_t t;
	for (long i = 0; i < 3; i++)
		pthread_create(&t, NULL, spin_here, (void *)(i & 1));
	spin_here(NULL);
}
""")
    for plat in PLATS:
        outcome = t.tutti(["run", program, "--plat", plat, "-c", "4", "--timeout", "4", "--append", "tutti.watchdog=0"], check=124)
        text = "\n".join(outcome.lines())
        assert len(re.findall(r"backtrace of CPU [0-3]", text)) == 4 and "does not answer" not in text, outcome


test_time_out_many_cpus.timeout = 120


def test_deadlock(t):
    program = t.c(DEADLOCK)
    for plat in PLATS:
        for cpus in ("1", "2", "4"):
            outcome = t.tutti(["run", program, "--plat", plat, "-c", cpus, "--timeout", "30", "--append", "tutti.watchdog=1"], check=134)
            text = "\n".join(outcome.lines())
            assert outcome.lines()[0] == "tutti: deadlock: all 2 threads are blocked and nothing is armed to wake them", outcome
            assert "second_one+" in text and "main+" in text, outcome
    outcome = t.tutti(["run", program, "--plat", "host", "-c", "4", "--timeout", "30"], check=134)
    assert "deadlock" in outcome.lines()[0], outcome


test_deadlock.timeout = 180


def test_off(t):
    outcome = t.tutti(["run", t.c(DEADLOCK), "--plat", "host", "--timeout", "4", "--append", "tutti.watchdog=0"], check=124)
    assert not any("deadlock" in line for line in outcome.lines()), outcome


def test_waiting_for_input(t):
    """Nothing moves for seconds, but input may come: no deadlock. And then it comes."""
    for name, text in (("reader.c", READER), ("poller.c", POLLER)):
        program = t.c(text, name)
        for plat in PLATS:
            tool = t.popen(["run", program, "--plat", plat, "-c", "2", "--append", "tutti.watchdog=1"], stdin=subprocess.PIPE)
            seen = b""
            while b"ready" not in seen:
                data = os.read(tool.stdout.fileno(), 4096)
                assert data, tool.communicate()
                seen += data
            time.sleep(3)
            out, err = tool.communicate(b"word", timeout=30)
            assert (tool.returncode, out, err) == (7, b"word", b""), (plat, tool.returncode, out, err)


test_waiting_for_input.timeout = 120


def test_left_alone(t):
    """Threads that sleep, that wait for a signal, and that compute, on many more CPUs than this computer has."""
    sleeper = t.c("sleep(3); return 7;", "sleeper.c")
    waiter = t.c("""#include <pthread.h>
#include <signal.h>
static void *waits(void *set) { int n; sigwait(set, &n); exit(n == SIGUSR1 ? 7 : 1); }
int main(void)
{
	static sigset_t set;
	pthread_t t;
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_create(&t, NULL, waits, &set);
	sleep(3);
	kill(getpid(), SIGUSR1);
	for (;;)
		pause();
}
""", "waiter.c")
    computer = t.c("""#include <pthread.h>
#include <time.h>
static void *computes(void *arg)
{
	time_t end = time(NULL) + 4;
	while (time(NULL) < end)
		for (volatile int i = 0; i < 100000; i++)
			;
	return arg;
}
int main(void)
{
	pthread_t t[8];
	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, computes, NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	return 7;
}
""", "computer.c")
    for plat in PLATS:
        for program, cpus, limit in ((sleeper, "2", "1"), (waiter, "2", "1"), (computer, "8", "2")):
            outcome = t.tutti(["run", program, "--plat", plat, "-c", cpus, "--timeout", "60", "--append", "tutti.watchdog=" + limit], check=7)
            assert not outcome.err, outcome


test_left_alone.timeout = 180


def test_quit_signal(t):
    """SIGQUIT, as from a terminal's Ctrl-\\, makes an image on host report and end."""
    image = os.path.join(t.tmp, "image")
    t.tutti(["build", t.c('write(1, "ready", 5); for (;;) pause();'), "--plat", "host", "-o", image], check=0)
    process = t.command_popen([image], env={"TUTTI_KEYS": "tutti.cpus=2"})
    assert process.stdout.read(5) == b"ready"
    process.send_signal(signal.SIGQUIT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 134 and b"a report was asked for (SIGQUIT)" in err and b"CPU 1" in err, \
        (process.returncode, err)
