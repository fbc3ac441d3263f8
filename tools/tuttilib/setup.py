#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Set-up inside the two commands: the programs that tutti needs from the machine, and where they come from.

    setup.py [--check] [PURPOSE...]        PURPOSE: build run (the default), bench, test, lint

On Debian what is missing is named and installed, by root or through `sudo -n`; otherwise one line says what to install.
Exit status 0: everything is there. 2: something is missing and could not be installed; one line on stderr says what.
When nothing is missing this costs a few file look-ups, so both commands call it every time.
"""

import importlib.util
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class SetupError(Exception):
    """str() is the one line to show."""


def _program(*names):
    return lambda: any(shutil.which(n) for n in names)


def _file(*paths):
    return lambda: any(os.path.exists(p) for p in paths)


def _kconfiglib():
    return os.path.exists("/usr/lib/python3/dist-packages/kconfiglib.py") \
        or importlib.util.find_spec("kconfiglib") is not None


# (purposes, Debian package, what proves that it is there)
NEEDS = (
    ("build", "gcc", _program("gcc")),
    ("build", "binutils", _program("objcopy")),
    ("build", "make", _program("make")),
    ("build", "patch", _program("patch")),
    ("build", "python3-kconfiglib", _kconfiglib),
    ("run", "qemu-system-x86", _program("qemu-system-x86_64")),
    # The Linux programs that `tutti bench sync --vs` compares with.
    ("bench test", "musl-tools", _program("musl-gcc")),
    ("bench test", "libc6-dev", _file("/usr/include/stdlib.h")),
    # Tests of leaf code and allocators are also ordinary Linux programs.
    ("lint", "libc6-dev", _file("/usr/include/stdlib.h")),
    ("test", "autoconf", _program("autoconf")),
    ("test", "automake", _program("automake")),
    # Searches the models of tests/models.
    ("test", "spin", _program("spin")),
    ("lint", "clang-14", _program("clang-14")),
    ("lint", "clang-format-14", _program("clang-format-14")),
)

IMPLIED = {"run": ("build", "run"), "test": ("build", "run", "test"), "bench": ("build", "run", "bench"), "lint": ("build", "lint"), "build": ("build",)}


def missing(purposes):
    """Debian packages that are needed and not there."""
    wanted = {p for purpose in purposes for p in IMPLIED[purpose]}
    return [package for uses, package, present in NEEDS if wanted & set(uses.split()) and not present()]


def is_debian():
    """Whether apt-get would know these package names."""
    try:
        with open("/etc/os-release", encoding="utf-8") as f:
            text = f.read()
    except OSError:
        return False
    ids = " ".join(line.split("=", 1)[1].strip().strip('"') for line in text.splitlines()
                   if line.startswith(("ID=", "ID_LIKE="))).split()
    return "debian" in ids and shutil.which("apt-get") is not None


def privilege():
    """The command prefix that makes root of us, or None."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], stdin=subprocess.DEVNULL,
                                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                               check=False).returncode == 0:
        return ["sudo", "-n"]
    return None


def _apt(prefix, *args):
    """(ok, first line of complaint)"""
    env = ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"]
    out = subprocess.run([*prefix, *env, "apt-get", "-q", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    complaints = [line for line in out.stdout.splitlines() if line.startswith("E:")]
    return out.returncode == 0, complaints[0][2:].strip() if complaints else f"apt-get ended with {out.returncode}"


def install(packages):
    """Installs Debian packages or raises SetupError."""
    names = " ".join(packages)
    if not is_debian():
        raise SetupError(f"missing here: what Debian calls {names}; install it, and put the source tarballs named in "
                         "third_party/sources.lock into dl/ (tutti is developed on Debian 12)")
    prefix = privilege()
    if prefix is None:
        raise SetupError(f"missing Debian packages; as root: apt-get install {names}")
    print(f"tutti: installing Debian packages: {names}", file=sys.stderr, flush=True)
    command = ("install", "-y", "--no-install-recommends", *packages)
    ok, _ = _apt(prefix, *command)
    if not ok:
        # Lists that are old or were never fetched.
        _apt(prefix, "update")
        ok, complaint = _apt(prefix, *command)
        if not ok:
            raise SetupError(f"cannot install {names}: {complaint}")


def ensure(purposes=("run",)):
    """What the tool calls: everything there afterwards, or SetupError."""
    packages = missing(purposes)
    if packages:
        install(packages)
        packages = missing(purposes)
        if packages:
            raise SetupError(f"still missing after installing: {' '.join(packages)}")


def main(argv=None):
    args = sys.argv[1:] if argv is None else argv
    check = "--check" in args
    purposes = [a for a in args if a != "--check"] or ["run"]
    unknown = [p for p in purposes if p not in IMPLIED]
    if unknown:
        print(f"tutti: setup: unknown purpose {unknown[0]}; known: {' '.join(IMPLIED)}", file=sys.stderr)
        return 2
    try:
        if check:
            packages = missing(purposes)
            if packages:
                raise SetupError(f"missing Debian packages: {' '.join(packages)}")
        else:
            ensure(purposes)
    except SetupError as e:
        print(f"tutti: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
