# SPDX-License-Identifier: BSD-3-Clause
"""How a run ends: the program's own status, and the tool's for everything else."""

import os
import signal
import time

from tuttilib.testrun import gone

STATUSES = (0, 1, 42, 127, 128, 200, 255)


def test_own_status(t):
    """Every status arrives, from main and from exit(), and the tool adds no line."""
    program = t.c("if (argc > 2) exit(atoi(argv[1])); return atoi(argv[1]);")
    for status in STATUSES:
        for more in ([], ["exit"]):
            outcome = t.tutti(["run", program, "--", str(status)] + more, check=status)
            assert outcome.out == b"" and outcome.err == b"", outcome


def test_q35(t):
    for status in (0, 200):
        t.tutti(["run", "--machine", "q35", t.c("return atoi(argv[1]);"), "--", str(status)], check=status)


def test_timeout(t):
    outcome = t.tutti(["run", t.c("for (;;) pause();"), "--timeout", "2"], check=124)
    assert "a report was asked for" in outcome.lines()[0] and "time-out" in outcome.lines()[-1], outcome
    outcome = t.tutti(["run", t.c("for (volatile int i = 0;; i++) ;"), "--timeout", "2"], check=124)
    assert outcome.seconds < 20, outcome


def test_output_before_timeout(t):
    outcome = t.tutti(["run", t.c('write(1, "early", 5); for (;;) pause();'), "--timeout", "3"], check=124)
    assert outcome.out == b"early", outcome


def test_triple_fault(t):
    program = t.c('struct { unsigned short l; unsigned long b; } __attribute__((packed)) none = { 0, 0 };\n'
                  '__asm__ volatile("lidt %0; int3" : : "m"(none)); return 0;')
    outcome = t.tutti(["run", program], check=125)
    assert len(outcome.lines()) == 1 and "triple fault" in outcome.lines()[0], outcome


def started(t, args, word=b"ready"):
    """A run whose program has printed `ready`: (tool, process id of its QEMU)."""
    tool = t.popen(args)
    seen = b""
    while word not in seen:
        data = os.read(tool.stdout.fileno(), 4096)
        assert data, tool.communicate()
        seen += data
    machines = t.qemus(tool.pid)
    assert len(machines) == 1, machines
    return tool, machines[0]


READY = 'write(1, "ready", 5); for (;;) pause();'


def test_killed_qemu(t):
    tool, machine = started(t, ["run", t.c(READY)])
    os.kill(machine, signal.SIGKILL)
    _, err = tool.communicate(timeout=20)
    assert tool.returncode == 125, (tool.returncode, err)
    assert err.startswith(b"tutti: ") and b"SIGKILL" in err and err.count(b"\n") == 1, err


def test_killed_tool(t):
    """Whatever ends the tool, its machine ends too."""
    program = t.c(READY)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP):
        tool, machine = started(t, ["run", program])
        os.kill(tool.pid, number)
        tool.communicate(timeout=20)
        assert tool.returncode == -number, tool.returncode
        t.wait_for(lambda: gone(machine), 10, "the end of QEMU after signal %d" % number)


def test_interrupt(t):
    tool, machine = started(t, ["run", t.c(READY)])
    os.kill(tool.pid, signal.SIGINT)
    _, err = tool.communicate(timeout=20)
    assert tool.returncode == 130, (tool.returncode, err)
    assert err == b"tutti: interrupted\n", err
    t.wait_for(lambda: gone(machine), 10, "the end of QEMU")


def test_closed_output(t):
    """A reader that goes away ends the run, as with any program in a pipe."""
    tool = t.popen(["run", t.c('for (;;) puts("y");')])
    assert tool.stdout.read(2) == b"y\n"
    machines = t.qemus(tool.pid)
    tool.stdout.close()
    start = time.monotonic()
    tool.wait(timeout=20)
    assert tool.returncode == -signal.SIGPIPE, tool.returncode
    assert time.monotonic() - start < 15
    for machine in machines:
        t.wait_for(lambda: gone(machine), 10, "the end of QEMU")
    tool.stderr.close()


def test_missing_qemu(t):
    env = dict(os.environ, PATH=t.tmp)
    os.symlink(__import__("sys").executable, os.path.join(t.tmp, "python3"))
    image = t.tutti(["build", "hello"], check=0, cwd=t.root).out.decode().strip()
    t.usage_error(["run", os.path.join(t.root, image)], "qemu-system-x86_64", "apt-get install", env=env)
