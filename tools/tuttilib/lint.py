#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""make lint: everything about the sources that can be checked without booting them.

    lint.py [--fix] [NAME...]      all checks, or those named; --fix formats instead of complaining, and writes the table
    lint.py --as SOURCE FILE       what clang says of FILE, compiled as if it were SOURCE; for a test with planted faults

    text       SPDX line first, prologue in each .c, no left-overs (merge markers, owner-less reminders, home folders)
    format     clang-format 14
    python     the tool's own sources compile
    shell      sh -n
    deps       make check-deps
    contracts  public headers state their contracts, and docs/contracts.md is made from them
    locks      the table of docs/locking.md is what the lock classes of the sources say; each _locked function names its lock
    planted    each planted bug's patch still fits the sources, as it does where it is built in
    headers    each header compiles alone
    gcc        every source with -Werror, in each configuration
    clang      the same with clang (14, and 19 where installed), with -Wthread-safety, which has to find a planted fault first
    programs   applications and guest tests, gcc with -Wall -Wextra -Werror; planted bugs with and without

    analyze    clang's static analyzer; only by name: it does not know our invariants, so not all it says is a fault

One line per check with its seconds; what is wrong comes before it. Exit status 1 if anything is.
"""

import ast
import concurrent.futures
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
from tuttilib import checkdeps, contracts, images, locks, testrun  # noqa: E402  pylint: disable=wrong-import-position

MODULE_DIRS = ("lib", "sync", "arch", "plat", "check", "mm", "sched", "alloc", "posix", "libc", "ports", "init")
CODE_DIRS = MODULE_DIRS + ("include", "apps", "tests", "examples")
# Builds whose sources are looked at: each one's that are in none before it, so what platforms share is compiled once.
VARIANTS = (("vm", ""), ("host", ""), ("host", "race"), ("host", "memory"), ("host", "undefined"), ("host", "replay"))
SPDX = "SPDX-License-Identifier: BSD-3-Clause"
LEFT_OVERS = (
    (re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b"), "a reminder without an owner"),
    (re.compile(r"^(?:<{7}|>{7}|={7})(?: |$)", re.M), "a merge marker"),
    (re.compile(r"/(?:home|root)/\w"), "a path of somebody's machine"),
    (re.compile(r"[ \t]+$", re.M), "white space at the end of a line"),
    (re.compile(r"\r"), "a carriage return"),
)
JOBS = os.cpu_count() or 1


def run(command, text=None, **kw):
    """(ok, output) of a command given as list or shell words."""
    out = subprocess.run(command if isinstance(command, list) else shlex.split(command), input=text,
                         stdin=subprocess.DEVNULL if text is None else None, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **kw)
    return out.returncode == 0, out.stdout


def parallel(function, items):
    """What function(item) has to say, in order, for all items."""
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return [line for lines in pool.map(function, items) for line in lines]


def files(*suffixes, dirs=CODE_DIRS):
    for top in dirs:
        for base, sub, names in os.walk(top):
            sub.sort()
            for name in sorted(names):
                if name.endswith(suffixes):
                    yield os.path.join(base, name)


def repository_files():
    """All that is kept in the repository, or would be with the next `git add`."""
    ok, out = run(["git", "ls-files", "-co", "--exclude-standard"])
    if ok:
        return [p for p in out.splitlines() if os.path.isfile(p)]
    found = []
    for base, sub, names in os.walk("."):
        sub[:] = [d for d in sub if d not in ("build", "dl", ".git", "__pycache__")]
        found += [os.path.normpath(os.path.join(base, n)) for n in names]
    return sorted(found)


# --- checks: each returns a list of complaints ----------------------------------------------------------------------

def check_text():
    out = []
    for path in repository_files():
        try:
            with open(path, encoding="utf-8") as f:
                text = f.read()
        except UnicodeDecodeError:
            continue
        lines = text.splitlines()
        needs_spdx = path.endswith((".c", ".h", ".S", ".py", ".sh", ".mk", ".lds", ".pml")) \
            or os.path.basename(path) in ("Makefile", "Kconfig", "tutti")
        if needs_spdx and lines and not any(SPDX in line for line in lines[:2]):
            out.append(f"{path}:1: no SPDX line")
        if path.endswith(".c"):
            out += prologue(path, text)
        if path.endswith((".md", ".patch")):
            continue
        for pattern, what in LEFT_OVERS:
            hit = pattern.search(text)
            if hit and not (path.endswith("tools/tuttilib/lint.py") and "/" in what):
                out.append(f"{path}:{text.count(chr(10), 0, hit.start()) + 1}: {what}")
    return out


def prologue(path, text):
    """A module's .c opens with a comment that says what it is; how much there is to say is not counted in lines."""
    body = text.split("\n", 1)[1] if "\n" in text else ""
    body = body.lstrip("\n")
    block = re.match(r"/\*(.*?)\*/", body, re.S)
    if block:
        lines = [l.strip(" *\t") for l in block.group(1).splitlines()]
        count = len([l for l in lines if l])
    else:
        count = len(re.match(r"(?://[^\n]*\n)*", body).group(0).splitlines())
    least = 2 if path.startswith(MODULE_DIRS) else 1
    if count < least or count > 60:
        return [f"{path}:2: a prologue of {count} lines"]
    return []


def check_format(fix=False):
    tool = shutil.which("clang-format-14")
    if not tool:
        return ["clang-format-14 is not installed"]
    paths = list(files(".c", ".h"))

    def one(path):
        if fix:
            return [] if run([tool, "-i", path])[0] else [f"{path}: clang-format failed"]
        ok, out = run([tool, "--dry-run", "-Werror", path])
        if ok:
            return []
        first = re.search(r":(\d+):\d+: error", out)
        return [f"{path}:{first.group(1) if first else 1}: not formatted (make format)"]
    return parallel(one, paths)


def check_python():
    out = []
    for path in [*files(".py", dirs=("tools", "mk", "tests")), "tutti"]:
        try:
            with open(path, encoding="utf-8") as f:
                ast.parse(f.read(), path)
        except FileNotFoundError:
            out.append(f"{path} is missing")
        except SyntaxError as e:
            out.append(f"{path}:{e.lineno}: {e.msg}")
    return out


def check_shell():
    paths = [p for p in [*files(".sh", dirs=("mk", "tools", "tests", "examples")), ".ci/run"] if os.path.exists(p)]
    return [f"{p}: {out.strip()}" for p in paths for ok, out in [run(["sh", "-n", p])] if not ok]


def check_deps():
    ok, out = run([sys.executable, "tools/tuttilib/checkdeps.py", "-q"])
    return [] if ok else out.splitlines()


def check_contracts():
    return contracts.check()


def check_locks(fix=False):
    return locks.write() if fix else locks.complaints()


def check_planted():
    out = []
    for path in files(".patch", dirs=("tests/planted",)):
        # -F0: as in mk/modules.mk
        ok, said = run(["patch", "-p1", "-s", "-F0", "--dry-run", "-i", path])
        if not ok:
            out.append(f"{path}: no longer fits; make it anew from the sources: {said.strip().splitlines()[0]}")
    return out


class Commands:
    """How make compiles each source, asked once."""

    def __init__(self, variants=VARIANTS):
        self.all, seen = [], set()
        for plat, check in variants:
            ok, out = run(["make", "--no-print-directory", "-s", "-f", "mk/kernel.mk", f"PLAT={plat}", f"CHECK={check}", "NO_LIBC=1",
                           "print-commands"])
            if not ok:
                raise RuntimeError(out.strip().splitlines()[-1] if out.strip() else "make print-commands failed")
            found = [line.split("|", 2) for line in out.splitlines() if line.count("|") >= 2]
            self.all += [item for item in found if item[1] not in seen]
            seen.update(source for _, source, _ in found)
        self.by_module_dir = {}
        for _, source, command in self.all:
            self.by_module_dir.setdefault(os.path.dirname(source), command)
        self.any = next((c for m, _, c in self.all if m == "lib"), None)

    @staticmethod
    def in_config(command, config):
        """The same command with another configuration's config.h."""
        if config == "default":
            return command
        words = re.sub(r"build/default(-[a-z-]+)?/gen\b", rf"build/lint/{config}\1", command)
        return words.replace(" -O2 ", " -Os ") if config == "minimal" else words

    @staticmethod
    def write_configs():
        for name in sorted(os.listdir("configs")):
            config = name[:-len(".config")]
            for plat, check in VARIANTS if config != "default" else ():
                run([sys.executable, "tools/tuttilib/config.py", "Kconfig", f"configs/{name}",
                     "build/lint/" + images.variant(config, plat, check), plat, check])
        return [n[:-len(".config")] for n in sorted(os.listdir("configs"))]


def compiler_output(ok, out):
    return [] if ok else [line for line in out.rstrip().splitlines()][:12]


def check_headers(commands):
    for_programs = {os.path.join("include", h) for h in checkdeps.read_layers()[3]}
    with open("build/default/link.json", encoding="utf-8") as f:
        link = json.load(f)
    paths = [p for p in files(".h", dirs=MODULE_DIRS + ("include",)) if not p.startswith("libc/override/")]

    def one(path):
        folder = os.path.dirname(path)
        while folder and folder not in commands.by_module_dir:
            folder = os.path.dirname(folder)
        command = commands.by_module_dir.get(folder, commands.any)
        if path in for_programs:
            command = " ".join([link["cc"], *link["cflags"], "-Wall", "-Wextra"])
        how = ["-c", "-o", "/dev/null", "-x", "assembler-with-cpp"] if path.endswith("asm.h") else ["-fsyntax-only", "-x", "c"]
        return compiler_output(*run(shlex.split(command) + ["-Werror", *how, "-"],
                                    text=f'#include "{path}"\n'))
    return parallel(one, paths)


def check_gcc(commands):
    configs = commands.write_configs()
    jobs = [(commands.in_config(command, config), source) for config in configs for _, source, command in commands.all]

    def one(job):
        command, source = job
        return compiler_output(*run(shlex.split(command) + ["-Werror", "-c", source, "-o", "/dev/null"]))
    return parallel(one, jobs)


def clang_words(compiler):
    """A function that turns make's gcc command into the same for this clang, whose freestanding headers are its own. It looks
    at the code without instrumentation, which clang spells otherwise."""
    gcc_include = run(["gcc", "-print-file-name=include"])[1].strip()
    own = os.path.join(run([compiler, "-print-resource-dir"])[1].strip(), "include")

    def convert(command):
        words, rest = [compiler], iter(shlex.split(command)[1:])
        for word in rest:
            if word == "--param":
                next(rest)
            elif not word.startswith(("-fsanitize", "-fasan-", "-fno-sanitize", "-Wno-tsan")):
                words.append(own if word == gcc_include else word)
        return words
    return convert


CLANGS = ("clang-14", "clang-19")
# The flexible member of struct uk_alloc inside an allocator's own struct is Unikraft's interface.
CLANG_FLAGS = ("-Wthread-safety", "-Wno-gnu-variable-sized-type-not-at-end", "-Werror")
# What must not pass: a lock that is kept, a call without the lock that it requires.
NO_UNLOCK = """#include "uk/spinlock.h"
void keeps(struct uk_spinlock *l);
void keeps(struct uk_spinlock *l)
{
	uk_spin_lock(l);
}
"""
NO_LOCK = """#include "uk/spinlock.h"
struct x { struct uk_spinlock lock; };
void wants(struct x *x) REQUIRES(x->lock);
void forgets(struct x *x);
void forgets(struct x *x)
{
	wants(x);
}
"""


def analysis_is_on(compiler, words):
    """Complaints if the analysis of locks does not find what is planted for it."""
    out = []
    for text, said in ((NO_UNLOCK, "still held at the end"), (NO_LOCK, "requires holding")):
        ok, heard = run([*words, *CLANG_FLAGS, "-fsyntax-only", "-x", "c", "-"], text=text)
        if ok or "[-Werror,-Wthread-safety-analysis]" not in heard or said not in heard:
            out.append(f"{compiler}: -Wthread-safety does not find a planted fault ({said}): {heard.strip() or 'nothing said'}")
    return out


def clang_as(source, path):
    """What each clang says of the file at `path`, which is compiled as `source` is."""
    commands = Commands(VARIANTS[1:2])
    found = [command for _, known, command in commands.all if known == source]
    compilers = [c for c in CLANGS if shutil.which(c)]
    if not found or not compilers:
        return [f"{source}: nothing compiles it" if compilers else "clang-14 is not installed"]
    return [line for cc in compilers
            for line in compiler_output(*run([*clang_words(cc)(found[0]), *CLANG_FLAGS, "-c", path, "-o", "/dev/null"]))]


def check_clang(commands):
    compilers = [c for c in CLANGS if shutil.which(c)]
    if not compilers:
        return ["clang-14 is not installed"]
    words = {cc: clang_words(cc) for cc in compilers}
    off = [line for cc in compilers for line in analysis_is_on(cc, words[cc](commands.any))]
    if off:
        return off
    configs = [c for c in commands.write_configs() if c != "minimal"]
    jobs = [(cc, commands.in_config(command, config), source) for cc in compilers for config in configs
            for _, source, command in commands.all]

    def one(job):
        cc, command, source = job
        return compiler_output(*run([*words[cc](command), *CLANG_FLAGS, "-c", source, "-o", "/dev/null"]))
    return parallel(one, jobs)


def check_analyze(commands):
    words = clang_words("clang-14")

    def one(job):
        _, source, command = job
        out = run([*words(command), "--analyze", "-Xanalyzer", "-analyzer-output=text", source, "-o", "/dev/null"])[1]
        return [line for line in out.splitlines() if " warning: " in line]
    return parallel(one, commands.all)


def check_programs():
    with open("build/default/link.json", encoding="utf-8") as f:
        link = json.load(f)
    jobs = [(path, []) for path in files(".c", dirs=("apps", "tests/guest", "tests/planted", "examples"))]
    jobs += [(path, ["-DFIXED"]) for path in files(".c", dirs=("tests/planted",))]
    flags = [f for f in link["cflags"] if f != "-g"]

    def one(job):
        path, more = job
        said = testrun.directive(path, "test") or {}
        more = more + [word for value in said.get("cflags", ()) for word in testrun.words_of(value)]
        return compiler_output(*run([link["cc"], *flags, *more, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", path]))
    return parallel(one, jobs)


CHECKS = {
    "text": check_text, "format": check_format, "python": check_python, "shell": check_shell, "deps": check_deps,
    "contracts": check_contracts, "locks": check_locks, "planted": check_planted,
    "headers": check_headers, "gcc": check_gcc, "clang": check_clang, "programs": check_programs,
    "analyze": check_analyze,
}
ONLY_BY_NAME = ("analyze",)
NEED_COMMANDS = ("headers", "gcc", "clang", "analyze")
NEED_BUILD = NEED_COMMANDS + ("programs",)


def main():
    os.chdir(ROOT)
    args = sys.argv[1:]
    if "--fix" in args:
        complaints = check_format(fix=True) + contracts.write() + check_locks(fix=True)
        print("\n".join(complaints))
        return 1 if complaints else 0
    if args[:1] == ["--as"] and len(args) == 3:
        complaints = clang_as(*args[1:])
        print("\n".join(complaints))
        return 1 if complaints else 0
    unknown = [a for a in args if a not in CHECKS]
    if unknown:
        print(f"tutti: lint: no check {unknown[0]}; known: {' '.join(CHECKS)}", file=sys.stderr)
        return 2
    chosen = [c for c in CHECKS if (c in args if args else c not in ONLY_BY_NAME)]
    commands = None
    if any(c in NEED_BUILD for c in chosen):
        env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        if subprocess.run(["make", "--no-print-directory", "kernel"], check=False, env=env).returncode:
            print("lint: the kernel does not build")
            return 1
        commands = Commands()
    bad = 0
    for name in chosen:
        start = time.monotonic()
        complaints = CHECKS[name](commands) if name in NEED_COMMANDS else CHECKS[name]()
        seconds = time.monotonic() - start
        if complaints:
            bad += 1
            print("\n".join(complaints))
        print(f"lint: {name:9} {'FAILED' if complaints else 'ok':7} {seconds:5.1f} s", flush=True)
    print(f"lint: {len(chosen) - bad} of {len(chosen)} checks passed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
