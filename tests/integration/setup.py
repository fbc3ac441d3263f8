# SPDX-License-Identifier: BSD-3-Clause
"""Set-up's errors: one line, status 2, nothing half-unpacked left behind."""

import os
import shutil
import subprocess
import sys


def sources(t, *args, prefix=(), names=("musl",)):
    """sources.py with folders of the test's own; it must fail with one line."""
    tool = os.path.join(t.root, "tools", "tuttilib", "sources.py")
    out = os.path.join(t.tmp, "build", "src")
    os.makedirs(os.path.join(t.tmp, "dl"), exist_ok=True)
    outcome = t.command(list(prefix) + [sys.executable, tool, "--dl", os.path.join(t.tmp, "dl"), "--out", out] + list(args) + list(names))
    lines = outcome.lines()
    assert outcome.status == 2 and outcome.out == b"" and len(lines) == 1 and lines[0].startswith("tutti: "), outcome
    left = [name for name in os.listdir(out) if not name.startswith(".")] if os.path.isdir(out) else []
    assert not left, left
    return lines[0]


def test_wrong_checksum(t):
    """A tarball that is not the pinned one is named and not used."""
    for name in ("musl_1.2.5.orig.tar.gz", "musl-1.2.5.tar.gz"):
        t.write("dl/" + name, b"not what was pinned")
        line = sources(t)
        assert "SHA-256" in line and name in line, line
        os.unlink(os.path.join(t.tmp, "dl", name))


def test_unknown_source(t):
    assert "nonesuch" in sources(t, names=("nonesuch",))


def test_no_network(t):
    """Without a network and without the tarball the line says what to put where."""
    prefix = ["unshare", "-r", "-n"]
    if not shutil.which("unshare") or subprocess.run(prefix + ["true"], stderr=subprocess.DEVNULL).returncode:
        t.skip("this machine lets nobody take the network away (unshare -n)")
    line = sources(t, prefix=prefix)
    assert "network" in line or "mirror" in line, line
    assert "dl" in line, line


def test_missing_package(t):
    """Without root and without a program that is needed, set-up names the package."""
    for name in ("python3", "sh", "id"):
        os.symlink(shutil.which(name), os.path.join(t.tmp, name))
    outcome = t.command([sys.executable, os.path.join(t.root, "tools", "tuttilib", "setup.py"), "--check", "build", "run"],
                        env={"PATH": t.tmp})
    lines = outcome.lines()
    assert outcome.status == 2 and len(lines) == 1 and lines[0].startswith("tutti: "), outcome
    for package in ("gcc", "make", "qemu-system-x86"):
        assert package in lines[0], outcome


def test_host_needs_no_qemu(t):
    """What --plat host asks of the computer is a compiler and make; nothing of QEMU is demanded where there is none."""
    bare = os.path.join(t.tmp, "bare")
    os.mkdir(bare)
    for name in ("python3", "sh", "id", "gcc", "objcopy", "make", "patch"):
        os.symlink(shutil.which(name), os.path.join(bare, name))
    script = os.path.join(t.root, "tools", "tuttilib", "setup.py")
    outcome = t.command([sys.executable, script, "--check", "build"], env={"PATH": bare})
    assert outcome.status == 0 or "qemu" not in outcome.lines()[0], outcome
    outcome = t.command([sys.executable, script, "--check", "run"], env={"PATH": bare}, check=2)
    assert "qemu-system-x86" in outcome.lines()[0], outcome
