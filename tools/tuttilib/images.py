# SPDX-License-Identifier: BSD-3-Clause
"""From sources to bootable images.

The kernel's libraries come from `make kernel`; what an application is compiled and linked with stands in the link.json that make
leaves beside them, and nowhere else. Every result is keyed by its command line and by the time and size of every input the
compiler named, is made under one lock for the whole of build/, and appears by renaming: two runs at once neither disturb each
other nor see half a file. A running machine keeps the file it was started from.
"""

import configparser
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

from . import console
from .console import Failure, progress
from .elf import Elf
from .guest import PR_SET_PDEATHSIG, prctl

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build")
APPS = os.path.join(ROOT, "apps")
ALLOCATORS = ("region", "buddy", "mallocng", "mimalloc")        # until the build's link.json names its own
ABOUT_ALLOCATORS = {
    "region": "bump; never frees",
    "buddy": "binary buddy over whole pages: the baseline",
    "mallocng": "musl's own",
    "mimalloc": "the default",
}
DEFAULT_ALLOC = "mimalloc"
FILES = "files"                 # below build/CONFIG/: images of single C files
LOCK = ".tutti-lock"            # not make's own build/.lock, which `make kernel` takes inside ours

# What `make kernel` may depend on. A name that is missing here would make a run miss a change.
KERNEL_INPUTS = ("Makefile", "Kconfig", "mk", "configs", "third_party", "include", "lib", "sync", "arch", "plat", "check", "mm",
                 "sched", "alloc", "posix", "libc", "ports", "init", "drivers", "fs", "net", "dl",
                 "tools/tuttilib/config.py", "tools/tuttilib/sources.py", "tools/tuttilib/setup.py")
KERNEL_OUTPUTS = ("link.json", "tutti.o", "libc.a")
PLATFORMS = ("vm", "host")
CHECKS = {"race": ("vm", "host"), "memory": ("host",), "undefined": ("vm", "host")}     # where a checked build works


# ---- lock and files --------------------------------------------------------------------------------------------------

_locked = {"depth": 0}


@contextlib.contextmanager
def build_lock():
    """One builder at a time in build/; the lock goes with the process. May be taken again by its owner (one thread builds)."""
    if _locked["depth"]:
        _locked["depth"] += 1
        try:
            yield
        finally:
            _locked["depth"] -= 1
        return
    try:
        os.makedirs(BUILD, exist_ok=True)
        fd = os.open(os.path.join(BUILD, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise Failure("%s: %s" % (BUILD, error.strerror))
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another build to end")
            fcntl.flock(fd, fcntl.LOCK_EX)
        _locked["depth"] = 1
        try:
            yield
        finally:
            _locked["depth"] = 0
    finally:
        os.close(fd)


def write_file(path, data):
    """Whole or not at all."""
    fd, new = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new-")
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, 0o644)
        file.write(data)
    os.rename(new, path)


def mark(path):
    """Time and size of a file, None if there is none."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return [info.st_mtime_ns, info.st_size]


def marks_below(paths):
    found = {}
    for path in paths:
        if os.path.isdir(path):
            for folder, folders, files in os.walk(path):
                folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
                for name in files:
                    found[os.path.join(folder, name)] = mark(os.path.join(folder, name))
        else:
            found[path] = mark(path)
    return found


def _load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def die_with_me():
    """For preexec_fn: end when the thread that started us ends."""
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def clean_env():
    """The environment without what an outer make would do to an inner one."""
    env = dict(os.environ)
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MAKE_TERMOUT", "MAKE_TERMERR", "GNUMAKEFLAGS"):
        env.pop(name, None)
    return env


# ---- kernel ----------------------------------------------------------------------------------------------------------

def configs():
    try:
        return sorted(name[:-7] for name in os.listdir(os.path.join(ROOT, "configs")) if name.endswith(".config"))
    except OSError:
        return []


def check_platforms(kind):
    """The platforms on which that check works, as check/flags.mk says."""
    try:
        with open(os.path.join(ROOT, "check", "flags.mk"), encoding="utf-8") as file:
            said = re.search(r"^CHECK_PLATS_%s\s*[:?]?=(.*)$" % kind, file.read(), re.M)
    except OSError:
        said = None
    return tuple(said.group(1).split()) if said else CHECKS[kind]


def _configured_allocators(folder):
    """The names from the configuration's options CONFIG_ALLOC_*."""
    try:
        with open(os.path.join(folder, "gen", "config.mk"), encoding="utf-8") as file:
            chosen = set(re.findall(r"^CONFIG_ALLOC_(\w+)\s*:?=\s*y", file.read(), re.M))
    except OSError:
        chosen = set()
    return tuple(name for name in ALLOCATORS if name.upper() in chosen) or ALLOCATORS


class Kernel:
    """The libraries of one configuration for one platform, ready to be linked with a program."""

    def __init__(self, folder, plat):
        self.folder, self.plat = folder, plat
        link = _load(os.path.join(folder, "link.json"))
        if link is None:
            raise Failure("%s is missing or damaged; do: ./tutti clean" % os.path.join(folder, "link.json"))
        self.cc, self.cflags = link["cc"], link["cflags"]
        self.ldflags, self.libs = link["ldflags"], link["libs"]
        self.allocators = tuple(link.get("allocators") or _configured_allocators(folder))

    def default_alloc(self):
        return DEFAULT_ALLOC if DEFAULT_ALLOC in self.allocators else self.allocators[0]

    def link_inputs(self):
        """Every file that the link flags name."""
        files = []
        for word in self.ldflags + self.libs:
            path = word.split(",")[-1]
            if os.path.isabs(path) and os.path.isfile(path):
                files.append(path)
        return files


def parse_alloc_src(items):
    """NAME=DIR … as a dictionary."""
    sources = {}
    for item in items or ():
        name, sign, folder = item.partition("=")
        if not sign or not name or not folder:
            raise Failure("--alloc-src %s: NAME=DIR is wanted, for instance mimalloc=../mimalloc-2.4.1" % item)
        if name != "mimalloc":
            raise Failure("--alloc-src %s: only mimalloc takes a source folder" % name)
        if not os.path.isdir(folder):
            raise Failure("--alloc-src %s: there is no folder %s" % (name, folder))
        if not os.path.isfile(os.path.join(folder, "src", "static.c")):
            raise Failure("--alloc-src %s: %s holds no mimalloc source (no src/static.c)" % (name, folder))
        sources[name] = os.path.abspath(folder)
    return sources


_kernels = {}


def variant(config, plat="vm", check=None):
    """The name of a build, as mk/kernel.mk makes it."""
    return config + ("-host" if plat == "host" else "") + ("-" + check if check else "")


def kernel(config="default", alloc_src=None, plat="vm", check=None, plant=None):
    """The kernel's libraries, built if anything they come from has changed since. check: race, memory, undefined or replay. plant:
    the name of a bug in tests/planted/ that is to be in it."""
    alloc_src = alloc_src or {}
    key = (config, plat, check, tuple(sorted(alloc_src.items())), plant)
    if key in _kernels:
        return _kernels[key]
    known = configs()
    if config not in known:
        raise Failure("no configuration %s; there are: %s" % (config, " ".join(known)))
    folder = os.path.join(BUILD, variant(config, plat, check))
    words = ["CONFIG=" + config, "PLAT=" + plat, "CHECK=" + (check or "")]
    for name, path in sorted(alloc_src.items()):
        words.append("ALLOC_SRC_%s=%s" % (name, path))
        folder += "+%s-%s" % (name, hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:8])
    inputs = [os.path.join(ROOT, name) for name in KERNEL_INPUTS] + sorted(alloc_src.values())
    if plant:
        words.append("PLANT=" + plant)
        folder += "+plant-" + plant
        inputs.append(os.path.join(ROOT, "tests", "planted", plant + ".patch"))
    with build_lock():
        stamp = os.path.join(folder, ".stamp.json")
        outputs = [os.path.join(folder, name) for name in KERNEL_OUTPUTS]
        seen = marks_below(inputs)
        old = _load(stamp)
        if not old or old.get("inputs") != seen or old.get("outputs") != {path: mark(path) for path in outputs}:
            _make(["kernel"] + words)
            for path in outputs:
                if mark(path) is None:
                    raise Failure("make kernel %s left no %s" % (" ".join(words), os.path.relpath(path, ROOT)))
            # `seen` is from before make ran: a file changed meanwhile is looked at again the next time.
            write_file(stamp, json.dumps({"inputs": seen,
                                          "outputs": {path: mark(path) for path in outputs}}).encode())
        _kernels[key] = Kernel(folder, plat)
    return _kernels[key]


def _make(words):
    command = ["make", "-s", "-C", ROOT, "--no-print-directory", "-j%d" % (os.cpu_count() or 1)] + words
    progress("building the kernel")
    shown = console.on_terminal()
    if shown:
        console.wipe()
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2 if shown else subprocess.PIPE,
                              stderr=None if shown else subprocess.STDOUT, env=clean_env(), preexec_fn=die_with_me)
    except FileNotFoundError:
        raise Failure("make is not installed; do: apt-get install make gcc")
    if done.returncode == 0:
        return
    text = (done.stdout or b"").decode("utf-8", "replace").splitlines()
    told = [line for line in text if line.startswith("tutti: ") and not line.startswith("tutti: installing ")]
    if told:
        for line in told[:-1]:
            console.say(line[7:])
        raise Failure(told[-1][7:])
    for line in text[-40:]:
        console.write_err((line + "\n").encode())
    raise Failure("the kernel does not build: make %s failed" % " ".join(words))


# ---- programs --------------------------------------------------------------------------------------------------------

class Program:
    """Something that can be made into an image."""

    def __init__(self, name, sources, cflags=(), ldflags=(), args=(), files=None, about="", folder=None):
        self.name, self.sources, self.about = name, sources, about
        self.cflags, self.ldflags = list(cflags), list(ldflags)
        self.args = list(args)          # used where the user gives none
        self.files = files              # folder whose tree the program sees
        self.folder = folder            # below build/<config>/: objects; None: apps/<name>


def _section(ini, section, folder, name):
    def get(key):
        return ini.get(section, key, fallback="") or ""
    sources = [os.path.join(folder, source) for source in get("sources").split()]
    if not sources:
        raise Failure("%s: no sources are named" % os.path.relpath(os.path.join(folder, section), ROOT))
    files = get("files").strip()
    return Program(name, sources, shlex.split(get("cflags")), shlex.split(get("ldflags")), shlex.split(get("args")),
                   os.path.join(folder, files) if files else None, get("description").strip())


def _ini(path):
    ini = configparser.ConfigParser(interpolation=None)
    try:
        with open(path, encoding="utf-8") as file:
            ini.read_file(file)
    except OSError as error:
        raise Failure("%s: %s" % (path, error.strerror))
    except (configparser.Error, UnicodeDecodeError) as error:
        raise Failure("%s: %s" % (os.path.relpath(path, ROOT), str(error).splitlines()[0]))
    return ini


def applications():
    """name -> Program of every folder below apps/ with an app.ini."""
    found = {}
    for name in sorted(os.listdir(APPS)) if os.path.isdir(APPS) else ():
        path = os.path.join(APPS, name, "app.ini")
        if os.path.isfile(path):
            found[name] = _section(_ini(path), "app", os.path.join(APPS, name), name)
    return found


def benchmarks():
    """name -> Program of every section of apps/bench/bench.ini, in the file's order."""
    path = os.path.join(APPS, "bench", "bench.ini")
    if not os.path.isfile(path):
        return {}
    ini = _ini(path)
    return {name: _section(ini, name, os.path.join(APPS, "bench"), name) for name in ini.sections()}


def file_program(path, cflags=()):
    """A program that is one C file anywhere."""
    full = os.path.realpath(path)
    stem = os.path.splitext(os.path.basename(full))[0]
    place = hashlib.sha1(os.fsencode(full)).hexdigest()[:12]
    return Program(stem, [full], cflags, folder=os.path.join(FILES, place))


def find(name):
    """What the user means by APP, FILE.c or IMAGE: a Program, or the path of an image."""
    if name.endswith(".c"):
        if not os.path.isfile(name):
            raise Failure("there is no file %s" % name)
        return file_program(name)
    for table in (applications, benchmarks):
        programs = table()
        if name in programs:
            return programs[name]
    if os.path.isfile(name):
        image_platform(name)
        return os.path.abspath(name)
    raise Failure("there is no application, image or file %s; applications: %s"
                  % (name, " ".join(list(applications()) + list(benchmarks()))))


def image_platform(path):
    """What an image runs on; Failure if it is none."""
    elf = Elf(path)
    if elf.bootable:
        return "vm"
    if elf.host:
        return "host"
    raise Failure("%s is not a bootable image (no PVH entry); ./tutti build and ./tutti cc make such" % path)


def step(output, command, inputs, work):
    """Run `work` unless `output` was made by this very command from these very inputs. work returns the inputs it really had."""
    record = output + ".key"
    old = _load(record)
    if old and old.get("command") == command and os.path.exists(output) and old.get("output") == mark(output) \
            and all(mark(path) == seen for path, seen in old["inputs"].items()):
        return False
    before = {path: mark(path) for path in inputs}
    used = work()
    marks = {path: before.get(path) or mark(path) for path in used}
    write_file(record, json.dumps({"command": command, "inputs": marks, "output": mark(output)}).encode())
    return True


def _tool(command, what):
    """Run a compiler or linker; its messages go to the user as they are, also when it succeeds (warnings)."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
    except FileNotFoundError:
        raise Failure("%s is not installed; do: apt-get install gcc binutils" % command[0])
    if done.stdout:
        console.wipe()
        console.write_err(done.stdout)
    if done.returncode:
        raise Failure(what)


def dependencies(path):
    """The files a compiler's -MMD output names."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read().replace("\\\n", " ")
    except OSError:
        return []
    _, _, names = text.partition(": ")
    return [os.path.join(ROOT, name.replace("\\ ", " ")) for name in re.split(r"(?<!\\)\s+", names.strip()) if name]


def compile_one(cc, flags, source, output, tool=_tool):
    """One object, if anything it depends on has changed. tool: runs a command, raises with what is wrong."""
    command = [cc] + flags + ["-c", source]
    os.makedirs(os.path.dirname(output), exist_ok=True)

    def work():
        new, deps = output + ".new", output + ".d"
        progress("compiling %s" % os.path.relpath(source, ROOT))
        tool(command + ["-MD", "-MF", deps, "-MT", "x", "-o", new], "%s does not compile" % os.path.relpath(source))
        os.rename(new, output)
        return dependencies(deps) or [source]

    return step(output, command, [source], work)


def strip_image(debug, image):
    _tool(["objcopy", "--strip-all", debug, image], "objcopy %s failed" % debug)


def install_image(new_debug, image):
    """Put a freshly linked file in place: the unstripped one first, so that an image always finds its own beside it."""
    new = image + ".new-%d" % os.getpid()
    try:
        strip_image(new_debug, new)
        os.chmod(new, 0o755)
        os.rename(new_debug, image + ".debug")
        os.rename(new, image)
    finally:
        for path in (new, new_debug):
            with contextlib.suppress(OSError):
                os.unlink(path)


def _forget_vanished(folder):
    """Remove what was built from C files that are no longer there; not the newest, which may just be about to start."""
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        place = os.path.join(folder, name)
        try:
            with open(os.path.join(place, ".source"), "rb") as file:
                vanished = not os.path.exists(file.read())
            if vanished and time.time() - os.stat(place).st_mtime > 60:
                shutil.rmtree(place, ignore_errors=True)
        except OSError:
            pass


def build(program, kern, tool=_tool):
    """The image of a program; returns its path."""
    folder = os.path.join(kern.folder, program.folder or os.path.join("apps", program.name))
    image = os.path.join(folder if program.folder else os.path.join(kern.folder, "images"), program.name)
    with build_lock():
        if (program.folder or "").startswith(FILES) and not os.path.isdir(folder):
            _forget_vanished(os.path.join(kern.folder, FILES))
            os.makedirs(folder)
            write_file(os.path.join(folder, ".source"), os.fsencode(program.sources[0]))
        os.makedirs(os.path.dirname(image), exist_ok=True)
        objects, names = [], set()
        for source in program.sources:
            if not os.path.isfile(source):
                raise Failure("%s: there is no source file %s" % (program.name, os.path.relpath(source)))
            name = os.path.splitext(os.path.basename(source))[0]
            while name in names:
                name += "_"
            names.add(name)
            output_object = os.path.join(folder, "obj", name + ".o")
            compile_one(kern.cc, kern.cflags + program.cflags, source, output_object, tool)
            objects.append(output_object)
        command = [kern.cc] + kern.ldflags + program.ldflags + objects + kern.libs
        inputs = objects + kern.link_inputs()

        def work():
            new = image + ".debug.new-%d" % os.getpid()
            progress("linking %s" % program.name)
            tool(command + ["-o", new], "%s does not link" % program.name)
            install_image(new, image)
            return inputs

        step(image, command, inputs, work)
    console.wipe()
    return image


def copy_image(image, output):
    """A second copy of an image and of its unstripped file."""
    for source, goal in ((image + ".debug", output + ".debug"), (image, output)):
        new = "%s.new-%d" % (goal, os.getpid())
        try:
            shutil.copy2(source, new)
            os.rename(new, goal)
        except OSError as error:
            raise Failure("%s: %s" % (goal, error.strerror))
        finally:
            with contextlib.suppress(OSError):
                os.unlink(new)


def clean():
    """Remove build/; dl/ with what was fetched stays."""
    if not os.path.isdir(BUILD):
        return
    with build_lock():
        for name in os.listdir(BUILD):
            path = os.path.join(BUILD, name)
            if name == LOCK:
                continue
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)
