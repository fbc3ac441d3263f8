# SPDX-License-Identifier: BSD-3-Clause
"""A crash ends with 134 and a report that a person can read: what happened, in which function, on which line."""

import re


def report(t, body, function, line, cpus="2", words=()):
    """The program must crash in `function` on line `line` of its file."""
    program = t.c(body, "culprit.c")
    outcome = t.tutti(["run", program, "-c", cpus, "--timeout", "30"], check=134)
    lines = outcome.lines()
    assert all(text.startswith("tutti: ") for text in lines), outcome
    text = "\n".join(lines)
    assert re.search(r"0x[0-9a-f]+ %s\+0x[0-9a-f]+ \([^)]*culprit\.c:%d\)" % (function, line), text), outcome
    for word in words:
        assert re.search(word, text), (word, outcome)
    assert lines[-1].endswith("exit status 134"), outcome
    return text


MAIN = "\nint main(void) { int r = %s; puts(\"still here\"); return r; }\n"
NOINLINE = "__attribute__((noinline)) "


def test_null_dereference(t):
    report(t, NOINLINE + "int look(volatile int *p)\n{\n\treturn *p;\n}" + MAIN % "look(NULL) + 1", "look", 3)


def test_one_cpu(t):
    report(t, NOINLINE + "int look(volatile int *p)\n{\n\treturn *p;\n}" + MAIN % "look(NULL) + 1", "look", 3, cpus="1")


def test_four_cpus(t):
    report(t, NOINLINE + "int look(volatile int *p)\n{\n\treturn *p;\n}" + MAIN % "look(NULL) + 1", "look", 3, cpus="4")


def test_write_to_text(t):
    report(t, NOINLINE + "int spoil(volatile char *p)\n{\n\t*p = 1;\n\treturn 0;\n}" + MAIN % "spoil((char *)spoil) + 1", "spoil", 3)


def test_jump_to_data(t):
    """The faulting address is no function; its caller is."""
    program = t.c("static char data[16] = { 0xc3 };\n" + NOINLINE + "int leap(int (*f)(void))\n{\n\treturn f() + 1;\n}"
                  + MAIN % "leap((int (*)(void))data) + 1", "culprit.c")
    outcome = t.tutti(["run", program, "--timeout", "30"], check=134)
    text = "\n".join(outcome.lines())
    assert re.search(r"leap\+0x[0-9a-f]+ \([^)]*culprit\.c:4\)", text), outcome
    assert re.search(r"data\+0x0|\bdata\b", text), outcome


def test_stack_overflow(t):
    text = report(t, NOINLINE + "int deeper(volatile char *p)\n{\n\tvolatile char here[4096];\n\there[0] = *p;\n"
                                "\treturn deeper(here) + here[0];\n}" + MAIN % 'deeper("") + 1', "deeper", 4)
    assert len(text.splitlines()) < 60, "a report nobody reads: %d lines" % len(text.splitlines())


test_stack_overflow.timeout = 90


def test_abort(t):
    outcome = t.tutti(["run", t.c('fputs("last words\\n", stderr); abort();')], check=134)
    assert b"last words\n" in outcome.err, outcome


def test_build_id(t):
    """Symbols come only from the file with the image's own build id."""
    t.c("__builtin_trap();", "a.c")
    t.c("puts(\"other\"); return 0;", "b.c")
    for name in "ab":
        t.tutti(["build", name + ".c", "-o", name], check=0)
    t.command(["mv", "b.debug", "a.debug"], check=0)
    outcome = t.tutti(["run", "./a"], check=134)
    assert b"main+" not in outcome.err, outcome
