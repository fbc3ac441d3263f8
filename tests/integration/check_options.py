# SPDX-License-Identifier: BSD-3-Clause
"""--check on every command that takes it: the right build is made, its reports and statuses reach the user. (checks.py: what is found.)"""

import os
import re


def report(t, kind, body, *patterns, plat=None, cpus="2"):
    """The program must end with 134 and a report in which all patterns are found."""
    program = t.c(body, "culprit.c")
    outcome = t.tutti(["run", program, "--check", kind, "-c", cpus, "--timeout", "60"] + (["--plat", plat] if plat else []), check=134)
    lines = outcome.lines()
    assert all(line.startswith("tutti: ") for line in lines), outcome
    for pattern in patterns:
        assert re.search(pattern, "\n".join(lines)), (pattern, outcome)


def test_race(t):
    """Both stacks, by file and line."""
    path = os.path.join(t.root, "examples", "race.c")
    outcome = t.tutti(["run", "--plat", "host", "--check", "race", path], check=134)
    assert len(re.findall(r"examples/race\.c:\d+", outcome.err.decode())) >= 2, outcome


def test_norace(t):
    path = os.path.join(t.root, "examples", "norace.c")
    for _ in range(5):
        outcome = t.tutti(["run", "--plat", "host", "--check", "race", path], check=0)
        assert outcome.err == b"", outcome


def test_memory(t):
    report(t, "memory", "char *p = malloc(10); memset(p, 1, 10); return p[argc + 9];", r"overflow", r"culprit\.c:3\b")
    report(t, "memory", "char *p = malloc(10); free(p); return p[argc];", r"use.after.free", r"culprit\.c:3\b")
    report(t, "memory", "int here[4]; volatile int *p = here; for (int i = 0; i <= 4; i++)\n p[i] = argc;\n return p[0];", r"stack",
           r"culprit\.c:4\b")


def test_undefined(t):
    for plat in ("host", "vm"):
        report(t, "undefined", "int big = 2147483647;\nvolatile int more = big + argc;\nreturn more;", r"overflow", r"culprit\.c:4\b",
               plat=plat)


def test_clean_programs(t):
    for kind in ("race", "memory", "undefined"):
        outcome = t.tutti(["run", "hello", "--check", kind, "-c", "4"], check=0)
        assert outcome.err == b"" and len(outcome.out.splitlines()) == 4, outcome


test_clean_programs.timeout = 300


def test_other_commands(t):
    """`build` and `cc` take the option too, and leave an image that needs no option any more."""
    program = t.c("char *p = malloc(10);\nreturn p[argc + 9];", "culprit.c")
    t.tutti(["build", program, "--check", "memory", "-o", "checked"], check=0, cwd=t.tmp)
    t.tutti(["cc", "--check=memory", "-g", program, "-o", "compiled"], check=0, cwd=t.tmp)
    for name in ("checked", "compiled"):
        outcome = t.tutti(["run", os.path.join(t.tmp, name)], check=134)
        assert re.search(r"culprit\.c:4\b", outcome.err.decode()), outcome
