# SPDX-License-Identifier: BSD-3-Clause
"""The house itself: options, layering, contracts of functions and locks, sources from dl/, another allocator's sources."""

import os
import shutil
import subprocess
import sys


def tool(t, name):
    return os.path.join(t.root, "tools", "tuttilib", name)


def test_options(t):
    """A setting that does not exist or is out of range is one line and status 2; a good one reaches config.h."""
    kconfig = os.path.join(t.root, "Kconfig")
    for setting, word in (("CONFIG_NONESUCH=y", "NONESUCH"), ("CONFIG_MAX_CPUS=0", "MAX_CPUS"), ("nonsense", "nonsense")):
        fragment = t.write("bad.config", setting + "\n")
        outcome = t.command([sys.executable, tool(t, "config.py"), kconfig, fragment, os.path.join(t.tmp, "gen")])
        lines = outcome.lines()
        assert outcome.status == 2 and len(lines) == 1 and lines[0].startswith("tutti: ") and word in lines[0], outcome
        assert not os.path.exists(os.path.join(t.tmp, "gen", "config.h"))
    fragment = t.write("good.config", "CONFIG_MAX_CPUS=3\nCONFIG_DEBUG=y\n# CONFIG_ALLOC_MIMALLOC is not set\n")
    t.command([sys.executable, tool(t, "config.py"), kconfig, fragment, os.path.join(t.tmp, "gen")], check=0)
    with open(os.path.join(t.tmp, "gen", "config.h"), encoding="utf-8") as file:
        text = file.read()
    for line in ("#define CONFIG_MAX_CPUS 3", "#define CONFIG_DEBUG 1", "static const bool config_debug = true;",
                 "static const bool config_alloc_mimalloc = false;", '#define CONFIG_DEFAULT_ALLOC "mallocng"'):
        assert line in text.splitlines(), line


def copied(t):
    """A copy of what check-deps reads, to plant faults in."""
    for name in ("mk", "tools", "include", "apps", "lib", "sync", "arch", "plat", "check", "mm", "sched", "alloc", "posix", "libc",
                 "ports", "init"):
        shutil.copytree(os.path.join(t.root, name), os.path.join(t.tmp, name), ignore=shutil.ignore_patterns("__pycache__"))
    return os.path.join(t.tmp, "tools", "tuttilib", "checkdeps.py")


def test_check_deps(t):
    """Include upwards, an unlisted neighbour, a list that goes up, a source nobody lists: each is found and named."""
    script = copied(t)
    outcome = t.command([sys.executable, script])
    assert outcome.status == 0, outcome

    def planted(path, text, *words):
        path = os.path.join(t.tmp, path)
        old = None
        if os.path.exists(path):
            with open(path, "rb") as file:
                old = file.read()
        with open(path, "ab") as file:
            file.write(text)
        found = t.command([sys.executable, script])
        assert found.status == 1, found
        for word in words:
            assert word in found.out, found
        if old is None:
            os.unlink(path)
        else:
            with open(path, "wb") as file:
                file.write(old)

    planted("lib/fmt.c", b'\n#include "sched/sched.h"\n', b"lib/fmt.c:", b"sched")
    planted("mm/frames.c", b'\n#include <stdio.h>\n', b"mm/frames.c:", b"stdio.h")
    planted("lib/module.mk", b"\n$(mod)-deps += mm\n", b"mm does not stand below lib")
    planted("lib/orphan.c", b"int orphan;\n", b"lib/orphan.c: is not listed")
    planted("apps/hello/hello.c", b'\n#include "mm/mm.h"\n', b"apps/hello/hello.c:", b"public")


def test_contracts(t):
    """A public function without a contract, one that lacks a line of it, a reference that leads nowhere, a stale page: each is found."""
    script = copied(t)
    script = os.path.join(os.path.dirname(script), "contracts.py")
    shutil.copytree(os.path.join(t.root, "docs"), os.path.join(t.tmp, "docs"))
    t.command([sys.executable, script], check=0)
    path = os.path.join(t.tmp, "include", "tutti", "planted.h")
    whole = "/**\n * Does it.\n * Context: any\n * Locks: none\n * Ownership: none\n * Errors: none\n */\n"

    def said(text):
        with open(path, "w", encoding="utf-8") as file:
            file.write("/* SPDX-License-Identifier: BSD-3-Clause */\n#pragma once\n\n" + text)
        found = t.command([sys.executable, script, "--write"])
        return found.status, found.out.decode()

    assert said(whole + "int tutti_good(void);\nint tutti_too(int (*fn)(void));\n") == (0, "")
    with open(os.path.join(t.tmp, "docs", "contracts.md"), encoding="utf-8") as file:
        assert "| `tutti_good`, `tutti_too` | any | none | none | none |" in file.read()
    for text, words in ((whole + "int tutti_good(void);\n\nint tutti_bare(void);\n", "tutti_bare() states no contract"),
                        ("static inline int tutti_bare(void)\n{\n\treturn 0;\n}\n", "tutti_bare() states no contract"),
                        ("#define tutti_bare(x) (x)\n", "tutti_bare() states no contract"),
                        (whole.replace(" * Locks: none\n", "") + "int tutti_good(void);\n", "without Locks:"),
                        ("/** Contract: as tutti_none() */\nint tutti_bare(void);\n", "no tutti_none()")):
        status, out = said(text)
        assert status == 1 and words in out and out.count("\n") == 1, (text, out)
    os.unlink(path)
    stale = t.command([sys.executable, script])
    assert stale.status == 1 and b"contracts.md: not what the headers say" in stale.out, stale


def test_lock_contracts(t):
    """An unlock left out, a lock not taken, a contract without its lock: clang finds each, called as `make lint` calls it. A _locked
    function without a contract, or without its assertion, is found without clang."""
    script = copied(t)
    names = os.path.join(os.path.dirname(script), "locks.py")
    check = [sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1]); from tuttilib import locks; "
             "print(*locks.contracts_missing(), sep='\\n')", os.path.join(t.tmp, "tools")]

    def planted(path, *changes):
        """The file's text with the changes, in the copy; what it was."""
        path = os.path.join(t.tmp, path)
        with open(path, encoding="utf-8") as file:
            old = text = file.read()
        for was, becomes in changes:
            assert was in text, (path, was)
            text = text.replace(was, becomes, 1)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path, old

    def restored(path, old):
        with open(path, "w", encoding="utf-8") as file:
            file.write(old)

    assert os.path.exists(names) and t.command(check, check=0).out.strip() == b""
    for changes, words in (
            ([(" REQUIRES(con.in_lock);", ";")], b"refill_locked() has no contract: REQUIRES"),
            ([("\tuk_spin_assert_held(&con.in_lock);\n", "")], b"refill_locked() does not assert that its lock is held")):
        kept = planted("posix/console.c", *changes)
        found = t.command(check, check=0).out
        assert words in found and found.count(b"refill_locked()") == 1, found
        restored(*kept)

    if not shutil.which("clang-14"):
        t.skip("no clang-14")
    if not os.path.exists(os.path.join(t.root, "build", "default", "link.json")):
        t.command(["make", "-C", t.root, "kernel"], check=0)

    def compiled(source):
        return t.command([sys.executable, tool(t, "lint.py"), "--as", source, os.path.join(t.tmp, source)])

    assert compiled("posix/console.c").status == 0
    for source, changes, words in (
            ("posix/console.c", [("\tuk_spin_unlock(&con.in_lock);\n", "")], b"still held at the end of function"),
            ("posix/console.c", [("\tuk_spin_lock(&con.in_lock);\n", "")], b"that was not held"),
            ("posix/futex.c", [("\t\tbucket_lock(b);\n\t\tdone = wake_some", "\t\tdone = wake_some"),
                               ("&woken);\n\t\tuk_spin_unlock(&b->lock);\n", "&woken);\n")], b"requires holding"),
            ("mm/vma.c", [("\tas_write_lock();\n\tr = mmap", "\tas_read_lock();\n\tr = mmap")], b"requires holding")):
        kept = planted(source, *changes)
        found = compiled(source)
        assert found.status == 1 and words in found.out and b"-Wthread-safety-analysis" in found.out, (source, found)
        restored(*kept)


def test_sources_from_dl(t):
    """With the tarballs in dl/ nothing is fetched, and what a killed run left is removed."""
    if not os.path.isdir(os.path.join(t.root, "dl")):
        t.skip("no dl/ here")
    out = os.path.join(t.tmp, "src")
    os.makedirs(os.path.join(out, ".musl-left-over", "deep"))
    t.command([sys.executable, tool(t, "sources.py"), "--dl", os.path.join(t.root, "dl"), "--out", out, "musl", "mimalloc"],
              env=dict(os.environ, http_proxy="http://127.0.0.1:9"), check=0)
    assert sorted(n for n in os.listdir(out) if n != ".lock") == ["mimalloc", "mimalloc.stamp", "musl", "musl.stamp"]
    # The security patches are in: one of them changes qsort.c.
    with open(os.path.join(t.root, "build", "src", "musl", "src", "stdlib", "qsort.c"), "rb") as one, \
            open(os.path.join(out, "musl", "src", "stdlib", "qsort.c"), "rb") as two:
        assert one.read() == two.read()


def test_no_syscall_instruction(t):
    """Nothing that is linked into an image enters a kernel by instruction, except what libc/ supplies."""
    archive = os.path.join(t.root, "build", "default", "libc.a")
    if not os.path.exists(archive):
        t.command(["make", "-C", t.root, "kernel"], check=0)
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", archive], check=True, stdout=subprocess.PIPE).stdout
    found = [line for line in listing.splitlines() if line.rstrip().endswith((b"\tsyscall", b"\tsysenter"))]
    assert not found, found[:5]
    names = subprocess.run(["nm", "-g", "--defined-only", archive], check=True, stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL).stdout.split()
    for name in (b"malloc", b"free", b"calloc", b"realloc", b"aligned_alloc", b"__libc_malloc", b"__clone", b"__syscall_cp_asm"):
        assert name not in names, name
