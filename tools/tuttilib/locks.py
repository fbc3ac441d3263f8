#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The table of locks in docs/locking.md, made from the LOCK_CLASS lines of the sources.

    locks.py [--write]      print the table, or put it between its markers in docs/locking.md

A class is declared next to its locks: LOCK_CLASS(variable, "name", rank, flags, "what it protects"), all literals. The variable and the
name have to be the only ones; a rank of 0 (the order that was seen is what counts) is for programs and tests, not for tutti's own
locks. A class that is LOCK_WAIT is no lock
and not in the table. What is not declared in that way is an error that names the line. `make lint` compares the table with what is printed here,
and demands that a function whose name ends in _locked says which lock its caller holds, and asserts it.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCUMENT = os.path.join("docs", "locking.md")
FOLDERS = ("arch", "sync", "plat", "check", "mm", "sched", "alloc", "posix", "libc", "ports", "init", "drivers", "fs", "net", "include")
BEGIN, END = "<!-- locks: begin (tools/tuttilib/locks.py --write) -->", "<!-- locks: end -->"
FLAGS = ("LOCK_IRQ", "LOCK_BY_ADDRESS", "LOCK_SLEEPS", "LOCK_LEAF", "LOCK_WAIT")
HEADER = os.path.join("sync", "lock_hooks.h")       # defines the macro
LITERAL = r'"(?:[^"\\]|\\.)*"'
START = re.compile(r"^[ \t]*(?:static\s+)?LOCK_CLASS\s*\(", re.M)
FUNCTION = re.compile(r"^[A-Za-z_][^\n;{}()#=]*?\b(\w+_locked)\(([^;{}]*)([;{])", re.M)
CONTRACT = re.compile(r"\b(REQUIRES|REQUIRES_SHARED|RELEASES|LOCKS_UNCHECKED)\b")
# Questions whether somebody holds it; and those for allocators, whose lock is not tutti's to name.
NO_CONTRACT = re.compile(r"\w*is_(?:\w+_)?locked|uk_alloc_stats_\w+_locked")
ASSERTION = re.compile(r"\b(?:\w*assert_\w*held|UK_ASSERT)\(")
CLASS = re.compile(r'LOCK_CLASS\s*\(\s*(\w+)\s*,\s*(%s)\s*,\s*(\d+)\s*,\s*([^",]+?)\s*,\s*((?:%s\s*)+)\)\s*;' % (LITERAL, LITERAL))


class Wrong(Exception):
    """The sources do not say what the table needs; the text says where."""


class LockClass:
    def __init__(self, path, line, match):
        self.path, self.line = path, line
        self.variable, self.name, self.rank = match.group(1), match.group(2)[1:-1], int(match.group(3))
        flags = match.group(4).strip()
        self.flags = [] if flags == "0" else [word.strip() for word in flags.split("|")]
        self.protects = "".join(part[1:-1] for part in re.findall(LITERAL, match.group(5)))
        for flag in self.flags:
            if flag not in FLAGS:
                raise Wrong("%s:%d: %s is no flag of a lock class; there are: 0 %s" % (path, line, flag, " ".join(FLAGS)))

    def row(self):
        irq = "off" if "LOCK_IRQ" in self.flags else "-" if "LOCK_SLEEPS" in self.flags else "any"
        notes = [text for flag, text in (("LOCK_BY_ADDRESS", "several by address"), ("LOCK_LEAF", "leaf")) if flag in self.flags]
        return "| %d | %s | `%s` | %s | %s | %s | %s |" % (self.rank, self.name, self.path, self.protects.replace("|", "\\|"), irq,
                                                            "yes" if "LOCK_SLEEPS" in self.flags else "no", ", ".join(notes))


def sources(root):
    for folder in FOLDERS:
        for base, sub, names in os.walk(os.path.join(root, folder)):
            sub.sort()
            for name in sorted(names):
                path = os.path.relpath(os.path.join(base, name), root)
                if name.endswith((".c", ".h")) and path != HEADER:
                    yield path


def blank_comments(text):
    """The text with comments as white space, so that lines stay where they are."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|(%s)' % LITERAL, lambda m: m.group(1) or re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def classes(root=ROOT):
    """Every class of tutti's own locks; Wrong if one is not as it has to be."""
    found, by_variable, by_name = [], {}, {}
    for path in sources(root):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = blank_comments(file.read())
        for start in START.finditer(text):
            line = text.count("\n", 0, start.start()) + 1 + (start.group().startswith("\n"))
            match = CLASS.match(text, text.index("LOCK_CLASS", start.start()))
            if not match:
                raise Wrong('%s:%d: LOCK_CLASS(variable, "name", rank, flags, "what it protects") in literals is wanted' % (path, line))
            one = LockClass(path, line, match)
            if "LOCK_WAIT" in one.flags:
                continue
            if not one.rank:
                raise Wrong("%s:%d: class %s has no rank" % (path, line, one.name))
            for key, table in ((one.variable, by_variable), (one.name, by_name)):
                if key in table:
                    raise Wrong("%s:%d: %s is the class in %s:%d already" % (path, line, key, table[key].path, table[key].line))
                table[key] = one
            found.append(one)
    return sorted(found, key=lambda one: (one.rank, one.name))


def table(root=ROOT):
    rows = ["| rank | lock | where | protects | interrupts | may sleep | notes |", "|---|---|---|---|---|---|---|"]
    return "\n".join(rows + [one.row() for one in classes(root)]) + "\n"


def contracts_missing(root=ROOT):
    """A function whose name ends in _locked wants a lock of its caller: a prototype says which (lib/capability.h), and, but for a
    function that gives it back, the body begins with an assertion that it is held. What is missing, as lines."""
    said, bodies, wrong = {}, [], []
    for path in sources(root):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = blank_comments(file.read())
        for match in FUNCTION.finditer(text):
            name = match.group(1)
            if NO_CONTRACT.fullmatch(name):
                continue
            words = set(CONTRACT.findall(match.group()))
            # a static function's contract is its file's own affair
            key = (path, name) if match.group().startswith(("static", "LOCKS_UNCHECKED static")) else name
            said.setdefault(key, set()).update(words)
            if match.group(3) == "{":
                body = text[match.end():text.find("\n}\n", match.end())]
                bodies.append((key, "%s:%d: %s()" % (path, text.count("\n", 0, match.start()) + 1, name), body))
    for key, where, body in bodies:
        if not said[key]:
            wrong.append("%s has no contract: REQUIRES(lock) behind a prototype, or LOCKS_UNCHECKED and why" % where)
        elif said[key] <= {"REQUIRES", "REQUIRES_SHARED"} and not ASSERTION.search(body):
            wrong.append("%s does not assert that its lock is held" % where)
    return wrong


def split(text):
    """What stands before the table, the table, what stands after it."""
    before, begin, rest = text.partition(BEGIN + "\n")
    old, end, after = rest.partition(END)
    if not begin or not end:
        raise Wrong("%s: the lines `%s` and `%s` are missing" % (DOCUMENT, BEGIN, END))
    return before + begin, old, end + after


def complaints(root=ROOT):
    """For lint: what is wrong, as lines."""
    return table_complaints(root) + contracts_missing(root)


def table_complaints(root):
    try:
        with open(os.path.join(root, DOCUMENT), encoding="utf-8") as file:
            _, old, _ = split(file.read())
        new = table(root)
    except (Wrong, OSError) as error:
        return [str(error)]
    if old == new:
        return []
    have, want = set(old.splitlines()), set(new.splitlines())
    return ["%s: the table is not what the sources say (make format)" % DOCUMENT] + \
        ["  not in the sources: " + line for line in old.splitlines() if line not in want] + \
        ["  not in the table: " + line for line in new.splitlines() if line not in have]


def write(root=ROOT):
    """Put the table into the document; the complaints that are left."""
    path = os.path.join(root, DOCUMENT)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        before, old, after = split(text)
        new = table(root)
    except (Wrong, OSError) as error:
        return [str(error)]
    if old != new:
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(before + new + after)
        os.replace(path + ".new", path)
    return []


def main():
    try:
        if sys.argv[1:] == ["--write"]:
            wrong = write()
            if wrong:
                raise Wrong("\n".join(wrong))
        elif sys.argv[1:]:
            raise Wrong("usage: locks.py [--write]")
        else:
            sys.stdout.write(table())
    except Wrong as error:
        print("tutti: %s" % error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
