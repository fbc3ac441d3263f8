# SPDX-License-Identifier: BSD-3-Clause
"""A Linux guest to compare with (`tutti bench sync --vs linux`): the distribution's cloud kernel and an initramfs of our own.

The kernel is a Debian package that third_party/linux.lock pins. It is taken from dl/ if it lies there, otherwise from the machine's own
mirror with the private apt configuration of sources.py, and kept in dl/. A .deb is an `ar` archive that holds a tar archive;
only the boot image is taken out, into build/linux/.

The machine is the one qemu.py makes for tutti: same type, CPUs, memory, devices. Its init (apps/bench/linux/init.c) speaks the same
protocol on the same ports, so that what runs and judges a machine needs to know nothing of Linux.

Kernel parameters: `quiet`, the console, and what makes an emulator's guest start at all. On microvm Linux cannot calibrate the time
stamp counter under TCG (no PIT, no PM timer) and would wait for ever: it is told the rate (tsc_early_khz) and that it may be
trusted (tsc=reliable). On q35 it would mark the counters of two CPUs unsynchronized and take the hpet, ten times slower
to read: the same words prevent that, so the guest is not made slower than it need be. Everything else is Debian's default, the
mitigations of processor faults included; what the user adds (`mitigations=off`, say) stands last.
"""

import argparse
import configparser
import fcntl
import io
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import time

from . import console, cpio, guest, images, native, qemu, sources
from .console import Failure, progress

LOCK = os.path.join(images.ROOT, "third_party", "linux.lock")
SUITES = ("bookworm", "bookworm-security")
MAGIC = b"!<arch>\n"
LEFT_OVER = ".linux-"           # a name of its own: sources.py removes its left-overs under another lock
BOOT_SECONDS = 60
INIT = os.path.join(images.ROOT, "apps", "bench", "linux", "init.c")


class Package:
    """One section of the lock file."""

    def __init__(self, section):
        self.package, self.version = section["package"], section["version"]
        self.file, self.sha = section["file"].split()


def read_lock(path=LOCK):
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    with open(path, encoding="utf-8") as file:
        parser.read_file(file)
    return [Package(parser[name]) for name in parser.sections()]


# ---- the package -----------------------------------------------------------------------------------------------------

def in_dl(packages, dl):
    """(package, path) of the first that lies in dl/; one with other contents than pinned is an error, not something to skip."""
    for package in packages:
        path = os.path.join(dl, package.file)
        if os.path.exists(path):
            have = sources.sha256(path)
            if have != package.sha:
                raise Failure("%s: wrong SHA-256: %s, expected %s; remove it, or put the right one there" % (
                    sources.shown(path), have, package.sha))
            return package, path
    return None


def fetch(packages, dl, work):
    """(package, path) of the first that the mirror has, now in dl/. work: a folder for apt's files."""
    advice = "; put %s into dl/ yourself, or run without --vs linux" % packages[0].file
    try:
        apt = sources.Apt(work, "deb", SUITES)
        progress("asking %s for the Linux kernel" % apt.main)
        apt.update(packages[0].file)
        os.makedirs(dl, exist_ok=True)
        for name in os.listdir(dl):
            if name.startswith(LEFT_OVER):      # of a run that was killed: the lock is ours
                shutil.rmtree(os.path.join(dl, name), ignore_errors=True)
        failure = None
        for package in packages:
            progress("fetching %s %s" % (package.package, package.version))
            with tempfile.TemporaryDirectory(prefix=LEFT_OVER, dir=dl) as folder:
                try:
                    apt.download_binary(package.package, package.version, folder)
                except sources.SourceError as error:
                    failure = failure or error
                    continue
                path = os.path.join(folder, package.file)
                if not os.path.exists(path):
                    failure = failure or sources.SourceError("%s %s came without a file %s" % (package.package, package.version,
                                                                                              package.file))
                    continue
                have = sources.sha256(path)
                if have != package.sha:
                    raise Failure("%s from %s has the wrong SHA-256: %s, expected %s" % (package.file, apt.main, have, package.sha))
                os.replace(path, os.path.join(dl, package.file))
            return package, os.path.join(dl, package.file)
        raise failure
    except sources.SourceError as error:
        text = str(error)
        if "sources.lock" in text:
            text = text.partition(";")[0]       # its advice is about other files
        raise Failure("the Linux kernel to compare with cannot be had: %s%s" % (text, "" if "dl/" in text else advice))


def deb_members(data):
    """(name, contents) of the members of an `ar` archive."""
    if not data.startswith(MAGIC):
        raise ValueError("no ar archive")
    at = len(MAGIC)
    while at + 60 <= len(data):
        head = data[at:at + 60]
        if head[58:60] != b"`\n":
            raise ValueError("damaged ar archive")
        name, size = head[:16].decode("ascii").strip().rstrip("/"), int(head[48:58])
        if at + 60 + size > len(data):
            raise ValueError("damaged ar archive")
        yield name, data[at + 60:at + 60 + size]
        at += 60 + size + size % 2


def boot_image(path):
    """The bytes of boot/vmlinuz-* in a kernel package."""
    try:
        with open(path, "rb") as file:
            members = dict(deb_members(file.read()))
        name = next((name for name in members if name.startswith("data.tar")), None)
        if name is None:
            raise ValueError("it holds no data.tar")
        if name.endswith(".zst"):
            raise ValueError("%s: Python's library cannot unpack zstd" % name)
        with tarfile.open(fileobj=io.BytesIO(members[name]), mode="r|*") as tar:
            for member in tar:
                if member.isfile() and os.path.basename(member.name).startswith("vmlinuz"):
                    return tar.extractfile(member).read()
        raise ValueError("it holds no vmlinuz")
    except (ValueError, tarfile.TarError, EOFError, OSError) as error:
        raise Failure("%s cannot be unpacked: %s" % (sources.shown(path), error))


class Kernel:
    """A Linux kernel that QEMU can boot."""

    def __init__(self, path, version):
        self.path, self.version = path, version


def kernel(dl=None, out=None, lock=LOCK):
    """The pinned kernel, fetched and unpacked if need be. out: where the boot image is kept."""
    dl = dl or os.path.join(images.ROOT, "dl")
    out = out or os.path.join(images.BUILD, "linux")
    os.makedirs(out, exist_ok=True)
    # Two runs at once must not fetch and unpack over each other.
    with open(os.path.join(out, ".lock"), "w", encoding="ascii") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another run to fetch the Linux kernel")
            fcntl.flock(guard, fcntl.LOCK_EX)
        packages = read_lock(lock)
        found = in_dl(packages, dl)
        for package in packages if not found else ():
            path = unpacked(package, out)
            if os.path.exists(path):
                return Kernel(path, package.version)        # from a package that has been removed since
        package, deb = found or fetch(packages, dl, os.path.join(out, "apt"))
        path = unpacked(package, out)
        if not os.path.exists(path):
            progress("unpacking %s" % package.file)
            images.write_file(path, boot_image(deb))
    return Kernel(path, package.version)


def unpacked(package, out):
    """Where its boot image is; the name has the package's SHA-256, so another one never passes for it."""
    return os.path.join(out, "vmlinuz-" + package.sha[:16])


# ---- the machine -----------------------------------------------------------------------------------------------------

def tsc_khz(program):
    """The rate of this computer's time stamp counter; program: the benchmark as a Linux program."""
    done = subprocess.run([program, "--tsc"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    text = done.stdout.decode("ascii", "replace").strip()
    if done.returncode or not text.isdigit():
        raise Failure("the rate of the time stamp counter cannot be measured")
    return int(text)


class Spec(qemu.Spec):
    """The same machine with a Linux kernel. append: words for its command line."""

    def __init__(self, image, khz, append, **more):
        super().__init__(image, **more)
        self.khz, self.append = khz, list(append)

    def keys(self, framed=True):
        words = ["console=ttyS0", "quiet", "panic=-1", "reboot=t"]
        if self.accel != "kvm":
            words += ["tsc_early_khz=%d" % self.khz, "tsc=reliable"]
        return " ".join(words + self.append)


def initramfs(init, programs, commands):
    """The archive: init, the programs (name -> path), and what init is to run (lists of strings)."""
    entries = [(b"dev", stat.S_IFDIR | 0o755, b""), (b"proc", stat.S_IFDIR | 0o755, b""), (b"sys", stat.S_IFDIR | 0o755, b"")]
    for name, path in [("init", init)] + sorted(programs.items()):
        with open(path, "rb") as file:
            entries.append((os.fsencode(name), stat.S_IFREG | 0o755, file.read()))
    text = b"".join(b"".join(os.fsencode(word) + b"\0" for word in words) + b"\0" for words in commands)
    entries.append((b"commands", stat.S_IFREG | 0o444, text))
    return cpio.pack(entries)


def build_init(kern):
    """The guest's init as a static Linux program; returns its path."""
    return native.build_static(images.Program("init", [INIT]), kern, "musl")


class Boot(guest.Watcher):
    """Passes on what it hears, and knows whether the kernel has come as far as init."""

    def __init__(self, watcher):
        self.watcher, self.up, self.text = watcher or guest.Watcher(), False, b""
        self.limit = time.monotonic() + BOOT_SECONDS

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "pid":
            self.watcher.pid = value

    def control(self, kind, text, result):
        self.up = self.up or kind == "R"
        self.watcher.control(kind, text, result)

    def stdout(self, data):
        if not self.up:
            self.text += data
        self.watcher.stdout(data)

    def late(self):
        return not self.up and time.monotonic() > self.limit


def run(spec, archive, timeout=None, watcher=None):
    """Boot it and run the commands to their end; a guest.Result."""
    boot = Boot(watcher)
    result = qemu.run(spec, archive, timeout=timeout, watcher=boot, stop=boot.late)
    if not boot.up:
        said = [line.strip() for line in boot.text.decode("utf-8", "replace").splitlines() if line.strip()]
        result.status = result.status or guest.STATUS_DIED
        result.reason = "%s: the Linux kernel did not come up%s%s" % (
            spec.name, " within %g s" % BOOT_SECONDS if boot.late() else "", ": " + said[-1] if said else "; it said nothing (too little memory, perhaps)")
    return result


def main(words):
    """[--dl DIR] [--out DIR] [--lock FILE]: fetches, checks and unpacks the kernel, and prints where it is."""
    parser = argparse.ArgumentParser(description="Fetch, check and unpack the Linux kernel to compare with.")
    parser.add_argument("--dl")
    parser.add_argument("--out")
    parser.add_argument("--lock", default=LOCK)
    args = parser.parse_args(words)
    try:
        console.out(kernel(args.dl, args.out, args.lock).path)
    except Failure as failure:
        console.say(failure)
        return failure.status
    return 0
