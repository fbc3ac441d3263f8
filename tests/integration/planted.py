# SPDX-License-Identifier: BSD-3-Clause
"""Bugs planted in the kernel's sources (make PLANT=NAME): a patch goes where it belongs, or the build ends with one line."""

import os

STALE = """--- a/lib/fmt.c
+++ b/lib/fmt.c
@@ -1,3 +1,3 @@
 this is not
-how that file
+how that file ever
 began
"""
HEADER = """--- a/lib/util.h
+++ b/lib/util.h
@@ -1,1 +1,1 @@
-x
+y
"""


def tree(t, **patches):
    """The sources with other planted bugs; only what make reads is there."""
    os.makedirs(os.path.join(t.tmp, "tests", "planted"))
    for name in os.listdir(t.root):
        if name not in ("tests", "build", ".git"):
            os.symlink(os.path.join(t.root, name), os.path.join(t.tmp, name))
    for name, text in patches.items():
        t.write("tests/planted/%s.patch" % name, text)


def make(t, *words):
    return t.command(["make", "-s", "-f", "mk/kernel.mk", "PLAT=host", *words])


def copy_of(source, plant):
    return "build/default-host+plant-%s/src/%s" % (plant, source)


def errors(outcome):
    return [line for line in outcome.lines() if "tutti: " in line]


def test_applied(t):
    """The copy differs from the source in what the patch says; the source itself and all other sources stay."""
    with open(os.path.join(t.root, "lib", "fmt.c"), encoding="utf-8") as file:
        lines = file.read().split("\n")
    marked = lines[0] + " planted"
    tree(t, good="Why.\n\n--- a/lib/fmt.c\n+++ b/lib/fmt.c\n@@ -1,2 +1,2 @@\n-%s\n+%s\n %s\n" % (lines[0], marked, lines[1]))
    outcome = make(t, "PLANT=good", copy_of("lib/fmt.c", "good"))
    assert outcome.status == 0, outcome
    with open(os.path.join(t.tmp, copy_of("lib/fmt.c", "good")), encoding="utf-8") as file:
        assert file.read().split("\n") == [marked] + lines[1:]
    with open(os.path.join(t.root, "lib", "fmt.c"), encoding="utf-8") as file:
        assert file.read().split("\n") == lines
    outcome = make(t, "PLANT=good", "COUNTING=1", "-n")
    assert outcome.status == 0, outcome
    compiled = [word for line in outcome.out.decode().splitlines() for word in line.split() if word.endswith((".c", ".S"))]
    assert copy_of("lib/fmt.c", "good") in compiled and "lib/fmt.c" not in compiled, outcome
    assert "lib/rbtree.c" in compiled and copy_of("lib/rbtree.c", "good") not in compiled, outcome


def test_refused(t):
    """A patch that does not fit, one of a header, a bug that there is not, a bug and another allocator: each is one line."""
    tree(t, stale=STALE, header=HEADER)
    outcome = make(t, "PLANT=stale", copy_of("lib/fmt.c", "stale"))
    assert outcome.status == 2 and not os.path.exists(os.path.join(t.tmp, copy_of("lib/fmt.c", "stale"))), outcome
    assert len(errors(outcome)) == 1 and "tests/planted/stale.patch no longer applies" in errors(outcome)[0], outcome
    for words, pattern in ((["PLANT=header"], "lib/util.h"), (["PLANT=nonesuch"], "no planted bug nonesuch; known: header stale"),
                           (["PLANT=stale", "ALLOC_SRC_mimalloc=" + t.tmp], "PLANT and ALLOC_SRC_mimalloc")):
        outcome = make(t, *words, "all")
        assert outcome.status == 2 and len(errors(outcome)) == 1 and pattern in errors(outcome)[0], outcome
