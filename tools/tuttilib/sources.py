#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Third-party sources: find, check, patch, unpack.

A source named in third_party/sources.lock is taken from dl/ if its tarball is there, otherwise from the machine's own
Debian mirror with a private apt configuration: the mirror addresses and the keyring are read from /etc/apt, the lists
and downloads live under build/apt, nothing under /etc or /var changes, and apt checks the signatures. Then every file
that is used must have the SHA-256 that the lock file pins. It is unpacked and patched in a folder beside its final
place and renamed as the last step, so that there is never half a source tree.

Usage: sources.py [--dl DIR] [--out DIR] NAME...      every failure is one line on stderr and exit status 2
       sources.py --fetch NAME...                     only download and check
"""

import argparse
import configparser
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOCK = os.path.join(ROOT, "third_party", "sources.lock")
SUITES = ("bookworm", "bookworm-security", "trixie", "trixie-security")
DEFAULT_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class SourceError(Exception):
    """Something the user can do something about; str() is the one line to show."""


def progress(text):
    """One line for a person who waits; nothing when nobody is looking."""
    if sys.stderr.isatty():
        print(f"tutti: {text}", file=sys.stderr, flush=True)


def shown(path):
    """A path as the user would type it."""
    rel = os.path.relpath(path)
    return path if rel.startswith("..") else rel


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


class Source:
    """One section of the lock file."""

    def __init__(self, name, section):
        self.name = name
        self.package = section["package"]
        self.revisions = section["revisions"].split()
        self.tarball, self.sha = section["tarball"].split()
        self.also = section.get("also", "").split()
        self.topdir = section["topdir"]
        words = section.get("patches", "").split()
        self.patches = list(zip(words[0::2], words[1::2]))

    def identity(self):
        """Changes exactly when the unpacked tree would."""
        return hashlib.sha256(repr((self.sha, self.topdir, self.patches)).encode()).hexdigest()


def read_lock(path=LOCK):
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    with open(path, encoding="utf-8") as f:
        parser.read_file(f)
    return {name: Source(name, parser[name]) for name in parser.sections()}


# --- the machine's own mirror ---------------------------------------------------------------------------------------

def _sources_entries(etc):
    """(uri, suite, signed-by) of every binary or source entry that apt is configured with, in file order."""
    paths = [os.path.join(etc, "sources.list")]
    parts = os.path.join(etc, "sources.list.d")
    if os.path.isdir(parts):
        paths += sorted(os.path.join(parts, p) for p in os.listdir(parts))
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                text = f.read()
        except OSError:
            continue
        if path.endswith(".list"):
            for line in text.splitlines():
                m = re.match(r"\s*deb(?:-src)?\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)", line)
                if m:
                    signed = re.search(r"signed-by=(\S+)", m.group(1) or "")
                    yield m.group(2), m.group(3), signed.group(1) if signed else None
        elif path.endswith(".sources"):
            for stanza in re.split(r"\n\s*\n", text):
                field = {}
                key = None
                for line in stanza.splitlines():
                    if line.startswith("#"):
                        continue
                    if line[:1] in " \t" and key:
                        field[key] += " " + line.strip()
                    elif ":" in line:
                        key, value = line.split(":", 1)
                        key = key.strip().lower()
                        field[key] = value.strip()
                if field.get("enabled", "yes").lower() == "no":
                    continue
                signed = field.get("signed-by", "")
                for uri in field.get("uris", "").split():
                    for suite in field.get("suites", "").split():
                        yield uri, suite, signed if signed.startswith("/") else None


def mirror(etc="/etc/apt"):
    """(main mirror, security mirror, keyring) as this machine is configured."""
    main = security = keyring = None
    for uri, suite, signed in _sources_entries(etc):
        # A Debian mirror, whatever its host: the suite is one of Debian's own.
        if not re.match(r"(bookworm|trixie|stable|testing|oldstable|sid|unstable)(-[a-z-]+)?(/updates)?$", suite):
            continue
        if "-security" in suite:
            security = security or uri
        elif "-" not in suite:
            main = main or uri
            keyring = keyring or signed
    if main is None:
        raise SourceError("no Debian mirror is configured in /etc/apt on this machine; "
                          "put the source tarballs named in third_party/sources.lock into dl/")
    if security is None:
        security = re.sub(r"/debian/?$", "/debian-security", main)
    return main, security, keyring or DEFAULT_KEYRING


class Apt:
    """apt with lists, cache and sources of its own; the network settings (a proxy, say) stay the machine's."""

    def __init__(self, workdir, kind="deb-src", suites=SUITES):
        self.dir = os.path.abspath(workdir)
        self.kind, self.suites = kind, suites       # of packages: deb-src, or deb for binary ones
        self.main, self.security, self.keyring = mirror()
        self.updated = False
        self.complaint = ""

    def _options(self):
        def opt(key, value):
            return ["-o", f"{key}={value}"]
        return (opt("Dir::Etc::sourcelist", os.path.join(self.dir, "sources.list"))
                + opt("Dir::Etc::sourceparts", "/dev/null")
                + opt("Dir::State::lists", os.path.join(self.dir, "lists"))
                + opt("Dir::Cache", os.path.join(self.dir, "cache"))
                + opt("APT::Sandbox::User", "root")
                + opt("Acquire::Retries", "1") + opt("Acquire::http::Timeout", "10")
                + opt("Acquire::https::Timeout", "10") + opt("Acquire::Languages", "none")
                + opt("Acquire::IndexTargets::deb-src::DEP-11::DefaultEnabled", "false"))

    def _run(self, tool, *args, cwd=None):
        env = dict(os.environ, LC_ALL="C")
        try:
            return subprocess.run([tool, *self._options(), *args], cwd=cwd, env=env, text=True, errors="replace",
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  check=False)
        except FileNotFoundError as e:
            raise SourceError(f"{tool} is not here (not a Debian machine?); put the source tarballs named in "
                              "third_party/sources.lock into dl/") from e

    def update(self, wanted):
        """Fetches the lists once. `wanted` is for the words of the failure."""
        if self.updated:
            return
        os.makedirs(os.path.join(self.dir, "lists", "partial"), exist_ok=True)
        os.makedirs(os.path.join(self.dir, "cache", "archives", "partial"), exist_ok=True)
        arch = "arch=amd64 " if self.kind == "deb" else ""
        with open(os.path.join(self.dir, "sources.list"), "w", encoding="utf-8") as f:
            for suite in self.suites:
                uri = self.security if suite.endswith("-security") else self.main
                f.write(f"{self.kind} [{arch}signed-by={self.keyring}] {uri} {suite} main\n")
        progress(f"asking {self.main} for packages")
        out = self._run("apt-get", "-q", "update")
        lists = [n for n in os.listdir(os.path.join(self.dir, "lists")) if ("_Sources" if self.kind == "deb-src" else "_Packages") in n]
        complaints = [line[2:].strip() for line in out.stderr.splitlines() if line[:2] in ("E:", "W:")]
        self.complaint = complaints[0] if complaints else ""
        if not lists:
            raise SourceError(f"cannot read the package lists of {self.main} (no network?); "
                              f"{wanted} may also be put into dl/"
                              + (f": {self.complaint}" if self.complaint else ""))
        self.updated = True

    def revisions(self, source):
        """Revisions on the mirror that carry exactly the pinned tarball, the listed ones first."""
        out = self._run("apt-cache", "showsrc", "--only-source", source.package)
        found = []
        for stanza in out.stdout.split("\n\n"):
            version = re.search(r"^Version: (\S+)$", stanza, re.M)
            if version and re.search(rf"^ {source.sha} \d+ \S+$", stanza, re.M) and version.group(1) not in found:
                found.append(version.group(1))
        known = [r for r in source.revisions if r in found]
        return known + sorted(r for r in found if r not in known)

    def download(self, source, revision, into):
        progress(f"fetching {source.package} {revision}")
        self._fetch(source.package, revision, into, "source", "--download-only")

    def download_binary(self, package, version, into):
        self._fetch(package, version, into, "download")

    def _fetch(self, package, version, into, *command):
        out = self._run("apt-get", "-q", *command, f"{package}={version}", cwd=into)
        if out.returncode:
            reasons = [line[2:].strip() for line in out.stderr.splitlines() if line.startswith("E:")]
            raise SourceError(f"{package} {version} did not arrive from {self.main}: "
                              + (reasons[0] if reasons else f"apt-get ended with {out.returncode}"))


# --- one source -----------------------------------------------------------------------------------------------------

def _packaging_patches(path, wanted):
    """{file name: contents} of those wanted (name -> sha) that the packaging tarball holds with the right hash."""
    got = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                name = os.path.basename(member.name)
                if member.isfile() and name in wanted and "/patches/" in member.name:
                    data = tar.extractfile(member).read()
                    if hashlib.sha256(data).hexdigest() == wanted[name]:
                        got[name] = data
    except (tarfile.TarError, EOFError, OSError):
        pass
    return got


class Files:
    """The checked files of one source: the tarball's path and the patches' contents."""

    def __init__(self, source, dl):
        self.source = source
        self.dl = dl
        self.tarball = None
        self.patches = {}

    def complete(self):
        return self.tarball is not None and len(self.patches) == len(self.source.patches)

    def missing(self):
        if self.tarball is None:
            return self.source.tarball
        return next(name for name, _ in self.source.patches if name not in self.patches)

    def look_in_dl(self):
        """A tarball that lies there under its name with other contents is an error, not something to skip."""
        src = self.source
        for name in [src.tarball, *src.also]:
            path = os.path.join(self.dl, name)
            if os.path.exists(path):
                have = sha256(path)
                if have != src.sha:
                    raise SourceError(f"{shown(path)}: wrong SHA-256: {have}, expected {src.sha}")
                self.tarball = path
                break
        wanted = dict(src.patches)
        for name, want in src.patches:
            path = os.path.join(self.dl, name)
            if os.path.exists(path):
                with open(path, "rb") as f:
                    data = f.read()
                if hashlib.sha256(data).hexdigest() != want:
                    raise SourceError(f"{shown(path)}: wrong SHA-256: {sha256(path)}, expected {want}")
                self.patches[name] = data
        if len(self.patches) < len(wanted) and os.path.isdir(self.dl):
            for name in sorted(os.listdir(self.dl)):
                if name.startswith(src.package + "_") and ".debian.tar." in name:
                    for key, data in _packaging_patches(os.path.join(self.dl, name), wanted).items():
                        self.patches.setdefault(key, data)

    def adopt(self, folder):
        """Checks what was downloaded into `folder` and moves what is good to dl/."""
        src = self.source
        path = os.path.join(folder, src.tarball)
        if self.tarball is None and os.path.exists(path):
            have = sha256(path)
            if have != src.sha:
                raise SourceError(f"{src.tarball} from the mirror has the wrong SHA-256: {have}, expected {src.sha}")
            os.replace(path, os.path.join(self.dl, src.tarball))
            self.tarball = os.path.join(self.dl, src.tarball)
        for name in sorted(os.listdir(folder)):
            if ".debian.tar." not in name:
                continue
            got = _packaging_patches(os.path.join(folder, name), dict(src.patches))
            if any(key not in self.patches for key in got):
                os.replace(os.path.join(folder, name), os.path.join(self.dl, name))
                for key, data in got.items():
                    self.patches.setdefault(key, data)


def obtain(source, dl, apt):
    """The checked files of `source`, from dl/ or from the mirror (and then kept in dl/)."""
    files = Files(source, dl)
    files.look_in_dl()
    if files.complete():
        return files
    apt = apt()
    apt.update(files.missing())
    revisions = apt.revisions(source)
    if not revisions:
        raise SourceError(f"no revision of {source.package} on {apt.main} has {source.tarball} with SHA-256 "
                          f"{source.sha}" + (f" ({apt.complaint})" if apt.complaint else ""))
    os.makedirs(dl, exist_ok=True)
    failure = None
    for revision in revisions:
        # Inside dl/, so that the last step is a rename on the same file system.
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=dl) as folder:
            try:
                apt.download(source, revision, folder)
            except SourceError as e:
                failure = failure or e
                continue
            files.adopt(folder)
        if files.complete():
            return files
    if failure:
        raise failure
    raise SourceError(f"{source.package} {' '.join(revisions)}: {files.missing()} is not in it with the pinned SHA-256")


def _run_patch(tree, name, data):
    try:
        out = subprocess.run(["patch", "-p1", "-s", "-f", "--no-backup-if-mismatch"], cwd=tree, input=data,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except FileNotFoundError as e:
        raise SourceError("the program `patch` is missing") from e
    if out.returncode:
        raise SourceError(f"{name} does not apply: {out.stdout.decode(errors='replace').splitlines()[:1]}")


def unpack(source, files, out):
    """out/NAME becomes the patched tree; out/NAME.stamp its identity, touched only when that changes."""
    target = os.path.join(out, source.name)
    stamp = target + ".stamp"
    os.makedirs(out, exist_ok=True)
    temp = tempfile.mkdtemp(prefix=f".{source.name}-", dir=out)
    try:
        try:
            with tarfile.open(files.tarball) as tar:
                if hasattr(tarfile, "data_filter"):
                    tar.extractall(temp, filter="data")
                else:
                    tar.extractall(temp)
        except (tarfile.TarError, EOFError, OSError) as e:
            raise SourceError(f"{shown(files.tarball)} cannot be unpacked: {e}") from e
        tree = os.path.join(temp, source.topdir)
        if not os.path.isdir(tree):
            raise SourceError(f"{shown(files.tarball)} holds no folder {source.topdir}")
        for name, _ in source.patches:
            _run_patch(tree, name, files.patches[name])
        if os.path.exists(stamp):
            os.unlink(stamp)
        if os.path.exists(target):
            os.rename(target, os.path.join(temp, "old"))
        os.rename(tree, target)
        with open(stamp + ".new", "w", encoding="ascii") as f:
            f.write(source.identity() + "\n")
        os.rename(stamp + ".new", stamp)
    finally:
        shutil.rmtree(temp, ignore_errors=True)


def remove_leftovers(names, dl, out):
    """Temporary folders of a run that was killed. The lock is held, so they are nobody's."""
    for folder, prefixes in ((out, [f".{name}-" for name in names]), (dl, [".fetch-"])):
        for entry in os.listdir(folder) if os.path.isdir(folder) else ():
            if entry.startswith(tuple(prefixes)):
                shutil.rmtree(os.path.join(folder, entry), ignore_errors=True)


def is_current(source, out):
    try:
        with open(os.path.join(out, source.name + ".stamp"), encoding="ascii") as f:
            return f.read().strip() == source.identity() and os.path.isdir(os.path.join(out, source.name))
    except OSError:
        return False


def prepare(names, dl, out, fetch_only=False):
    """Makes out/NAME for each name. Raises SourceError."""
    lock = read_lock()
    apt = []

    def get_apt():
        if not apt:
            apt.append(Apt(os.path.join(os.path.dirname(os.path.abspath(out)), "apt")))
        return apt[0]

    os.makedirs(out, exist_ok=True)
    # Two builds at once must not fetch and rename over each other.
    with open(os.path.join(out, ".lock"), "w", encoding="ascii") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        remove_leftovers(names, dl, out)
        for name in names:
            if name not in lock:
                raise SourceError(f"third_party/sources.lock has no source called {name}")
            source = lock[name]
            if is_current(source, out) and not fetch_only:
                continue
            files = obtain(source, dl, get_apt)
            if not fetch_only:
                unpack(source, files, out)


def main(argv=None):
    ap = argparse.ArgumentParser(description="Fetch, check and unpack third-party sources.")
    ap.add_argument("names", nargs="+", metavar="NAME")
    ap.add_argument("--dl", default=os.path.join(ROOT, "dl"))
    ap.add_argument("--out", default=os.path.join(ROOT, "build", "src"))
    ap.add_argument("--fetch", action="store_true", help="only download and check")
    args = ap.parse_args(argv)
    try:
        prepare(args.names, args.dl, args.out, args.fetch)
    except SourceError as e:
        print(f"tutti: {e}", file=sys.stderr)
        return 2
    except OSError as e:
        print(f"tutti: {e.filename or 'sources'}: {e.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
