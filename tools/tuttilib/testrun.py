# SPDX-License-Identifier: BSD-3-Clause
"""`tutti test`: finds, builds and runs every test, and tells each one's result and seconds.

  tests/host/*.c         Linux programs, one build and run per sanitizer. Directive in the file's first lines:
                             // host: srcs=lib/rbtree.c cflags=-DX ldflags=-lm sanitize=address,undefined,thread timeout=60
                         `none`, without sanitizer, always runs too; `sanitize=` with nothing leaves it at that.
  tests/guest/*.c        tutti's programs, once per combination of the lists:
                             // test: cpus=1,2,4 machine=microvm,q35 alloc=mimalloc,buddy sched=preempt,coop mem=256M
                             //       args=… env=K=V stdin=TEXT exit=0 timeout=60 expect-stderr=REGEX expect-stdout=REGEX
                             //       config=debug cflags=… srcs=… accel=kvm plat=vm check=race replay=20
                         Those that use tutti's own interfaces (uk/, tutti/) run once more with the lock validator.
                         expect-stderr is looked for in standard error and in the kernel's messages, symbols included.
                         Each runs as a machine and as a Linux process (which has no `machine`), unless `plat` names one.
                         `check` makes it a checked build, on host. `replay=N` adds N replayed runs: the combinations take
                         turns, even seeds walk at random, odd ones use priorities; the macro CHECK_REPLAY is defined.
  tests/planted/*.c      the same, for programs with a bug in them, which a checker has to find:
                             // test: check=race expect-report=REGEX            in every one of 10 runs
                             // test: replay=N seed=S expect-report=REGEX exit=N  within N seeds; and with seed S, 10 times of 10
                         `exit` is 134 where `expect-report` is. A source that knows the macro FIXED is built with it as well: then
                         nothing may be found, in as many runs and with all N seeds. With plant=NAME the bug is in the kernel, put there by
                         tests/planted/NAME.patch, and without the patch nothing may be found.
  tests/torture/*.c      as guest, with 1, 2, 4 and 8 CPUs. Those that include torture.h have a short form, by a number of operations, which
                         always runs, and a long one by time, with --minutes N, which the torture programs of each number of CPUs
                         share; they get `--seed S`. Others have the long form only; TUTTI_MINUTES is their part of the time.
  tests/models/*.pml     models of algorithms in Promela, searched completely by `spin`: as they are, without an error; and once
                         with each mutation, a macro MUTANT_name that breaks the algorithm, with an error:
                             // model: mutants=MUTANT_no_barrier,MUTANT_early:safety depth=100000 fair=yes states=1000 cflags=-DX timeout=120
                         What is checked: `safety` (assertions, deadlock), then each `ltl NAME { … }` of the file, under weak fairness
                         unless `fair=no`. After a mutant's colon stands the one that has to refute it; without, any may. A search
                         that needs more than 2 GB or is deeper than `depth` failed, and one with fewer than `states` states, too.
                         The model sees the macro SEARCH_safety or SEARCH_NAME.
  tests/integration/*.py functions test_*(t): the tool itself as a user calls it; `t` is a Context.

A guest or host program that ends with 77 was skipped; its last line says why. Nothing is remembered between two calls except
compiled files: a test that passed runs again. A test that needs more than one CPU has the computer to itself, others run two at
a time. The order is fixed.
"""

import fnmatch
import importlib.util
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from . import console, cpio, guest, host, images, options, qemu, replay
from .console import Failure, progress
from .options import Option
from .run import environment
from .symbolize import Symbolizer

TESTS = os.path.join(images.ROOT, "tests")
SKIP = 77
LONGEST = 16000         # characters of a failing test's output that are shown

TEST_OPTIONS = [
    Option("-l --list", "flag", "", "name the tests and stop"),
    Option("-c --cpus", "value", "1,2", "only machines with these numbers of CPUs"),
    Option("--plat", "value", "NAME", "only on vm or only on host"),
    Option("--seeds", "value", "N", "only replayed runs, N seeds of each test that has such"),
    Option("--first-seed", "value", "S", "and begin with this one (0)", "0"),
    Option("--machine", "value", "NAME", "only microvm or only q35"),
    Option("--alloc", "value", "NAME", "run the guest tests that leave the allocator open on this one"),
    Option("--config", "value", "NAME", "run the guest tests that leave the configuration open with this one (default)"),
    Option("--jobs", "value", "N", "tests of one CPU at a time (2)", "2"),
    Option("--minutes", "value", "N", "torture by time: so long for each number of CPUs, all programs together"),
    Option("--seed", "value", "S", "torture programs' random numbers (20240601)"),
    Option("-h --help", "flag", "", "this text"),
]

USAGE = """usage: ./tutti test [PATTERN…] [options]

PATTERN is a part of a test's name, or a shell pattern for all of it.

%s""" % options.usage(TEST_OPTIONS)


class Skip(Exception):
    """Raised by an integration test that cannot run here; the text says why."""


class Failed(Exception):
    """A test's own verdict, with all the output there is to show."""


class Test:
    def __init__(self, name, body, weight=1, timeout=60):
        self.name, self.body, self.weight, self.timeout = name, body, weight, timeout
        self.torture_cpus = None        # of a torture program that is not replayed


# ---- directives ------------------------------------------------------------------------------------------------------

def directive(path, word):
    """The `// word: key=value …` lines among a file's first 30 as {key: [values]}; None if there is none."""
    found = last = None
    going = False
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file):
            if number >= 30:
                break
            match = re.match(r"\s*(?://|\*|/\*)\s*%s:(.*)$" % word, line)
            more = going and re.match(r"\s*//\s{3,}(\S.*)$", line)
            going = bool(match or more)
            if not going:
                continue
            found = {} if found is None else found
            lexer = shlex.shlex((match or more).group(1).replace("*/", ""), posix=True)
            lexer.whitespace_split, lexer.escape, lexer.commenters = True, "", ""
            try:
                items = list(lexer)
            except ValueError as error:
                raise Failure("%s:%d: %s" % (os.path.relpath(path, images.ROOT), number + 1, error))
            for item in items:
                key, sign, value = item.partition("=")
                if last and (not sign or not re.fullmatch(r"[a-z][a-z-]*", key)):
                    found[last].append(item)        # a further value: srcs=a.c b.c, cflags=-DX -DY=1
                    continue
                if not sign:
                    raise Failure("%s:%d: %s: key=value is wanted" % (os.path.relpath(path, images.ROOT), number + 1, item))
                found.setdefault(key, []).append(value)
                last = key
    return found


def checked(path, found, known):
    for key in found:
        if key not in known:
            raise Failure("%s: unknown key %s in the test's directive; known: %s"
                          % (os.path.relpath(path, images.ROOT), key, " ".join(sorted(known))))
    return found


def one(found, key, default=""):
    return found[key][-1] if key in found else default


def sources_in(folder, ending):
    path = os.path.join(TESTS, folder)
    if not os.path.isdir(path):
        return []
    return [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(ending) and not name.startswith((".", "_"))]


def has_main(path):
    with open(path, encoding="utf-8") as file:
        return re.search(r"^\s*int\s+main\s*\(", file.read(), re.M) is not None


def words_of(text, folder=None):
    """Flags of a directive, with spaces (in quotes) or `,-` between; {build} is the kernel's folder, build/default if none is
    given, {src} is build/src."""
    return shlex.split(re.sub(r",(?=-)", " ", text).replace("{build}", folder or os.path.join(images.BUILD, "default"))
                       .replace("{src}", os.path.join(images.BUILD, "src")).replace("{root}", images.ROOT))


# ---- host tests ------------------------------------------------------------------------------------------------------

SANITIZERS = {
    "none": [],
    "address": ["-fsanitize=address", "-fno-sanitize-recover=all"],
    "undefined": ["-fsanitize=undefined", "-fno-sanitize-recover=all"],
    "thread": ["-fsanitize=thread"],
}
HOST_CFLAGS = ["-std=gnu17", "-O1", "-g", "-Wall", "-Wextra", "-pthread", "-fno-omit-frame-pointer"]
HOST_KEYS = {"srcs", "cflags", "ldflags", "sanitize", "timeout", "args", "needs", "cpus", "cc"}


def host_tests():
    for path in sources_in("host", ".c"):
        found = directive(path, "host")
        if found is None:
            if not has_main(path):
                continue
            found = {}
        checked(path, found, HOST_KEYS)
        kinds = ["none"] + [kind for value in found.get("sanitize", []) for kind in value.replace("+", ",").split(",") if kind]
        stem = os.path.splitext(os.path.basename(path))[0]
        for kind in options.unique(kinds):
            if kind not in SANITIZERS:
                raise Failure("%s: unknown sanitizer %s; known: %s" % (os.path.relpath(path, images.ROOT), kind, " ".join(SANITIZERS)))
            yield Test("host/%s%s" % (stem, "" if kind == "none" else " " + kind), host_body(path, stem, found, kind), 2,
                       float(one(found, "timeout", "120")))


def host_body(path, stem, found, kind):
    def body(test, runner):
        sources = [path]
        for value in found.get("srcs", []):
            sources += [os.path.join(images.ROOT, name) if not name.startswith("{") else words_of(name)[0]
                        for name in value.replace(",", " ").split()]
        generated = os.path.join(images.BUILD, "default", "gen")
        flags = HOST_CFLAGS + SANITIZERS[kind] + [word for value in found.get("cflags", []) for word in words_of(value)]
        flags += ["-I" + images.ROOT, "-I" + os.path.join(images.ROOT, "include"), "-I" + os.path.join(images.ROOT, "arch", "x86_64"),
                  "-I" + os.path.join(images.ROOT, "arch", "ring0"), "-I" + generated]
        folder = os.path.join(images.BUILD, "host", "%s-%s" % (stem, kind))
        binary = os.path.join(folder, stem)
        cc = one(found, "cc", "gcc")
        with runner.building:
            os.makedirs(folder, exist_ok=True)
            objects, names = [], set()
            for source in sources:
                name = os.path.splitext(os.path.basename(source))[0]
                while name in names:
                    name += "_"
                names.add(name)
                objects.append(os.path.join(folder, name + ".o"))
                images.compile_one(cc, flags, source, objects[-1], capture)
            command = [cc, "-pthread"] + SANITIZERS[kind] + objects + [word for value in found.get("ldflags", [])
                                                                       for word in words_of(value)]
            images.step(binary, command, objects, lambda: quiet_link(command, binary, objects))
        run = [binary] + words_of(one(found, "args"))
        if kind == "thread" and shutil.which("setarch"):
            run = ["setarch", os.uname().machine, "-R"] + run       # TSan's shadow needs the addresses where it expects them
        environ = dict(os.environ, TUTTI_MINUTES=runner.minutes or "1", UBSAN_OPTIONS="print_stacktrace=1",
                       TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1")
        status, output = runner.process(run, test.timeout, environ)
        if status == SKIP:
            raise Skip(last_line(output) or "not possible here")
        if status is None:
            raise Failed("%s\ntime-out after %g s" % (output, test.timeout))
        if status:
            what = "exit status %d" % status if status > 0 else "ended by signal %d" % -status
            raise Failed("%s\n%s" % (output, what))
    return body


def quiet_link(command, output, inputs):
    capture(command + ["-o", output + ".new"], "%s does not link" % os.path.basename(output))
    os.rename(output + ".new", output)
    return inputs


def capture(command, what):
    """A compiler run whose messages belong to the test."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=images.ROOT)
    if done.returncode:
        raise Failed("%s\n%s" % (done.stdout.decode("utf-8", "replace"), what))


# ---- models ----------------------------------------------------------------------------------------------------------

MODEL_KEYS = {"mutants", "depth", "fair", "states", "cflags", "timeout"}
MODEL_MEGABYTES = 2000


class Model:
    """A Promela file and what its directive says."""

    def __init__(self, path):
        self.path, self.stem = path, os.path.splitext(os.path.basename(path))[0]
        self.found = checked(path, directive(path, "model") or {}, MODEL_KEYS)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.claims = re.findall(r"^ltl\s+(\w+)", text, re.M)
        listed = [item for value in self.found.get("mutants", []) for item in value.split(",") if item]
        self.mutants = {item.partition(":")[0]: item.partition(":")[2] for item in listed}
        known = set(re.findall(r"\bMUTANT_\w+", re.sub(r"//.*", "", text)))
        if not known or known != set(self.mutants):
            self.wrong("mutants=%s, but the model has %s" % (",".join(self.mutants), " ".join(sorted(known)) or "none"))
        for by in self.mutants.values():
            if by not in ["", "safety"] + self.claims:
                self.wrong("%s: neither safety nor an ltl of this file" % by)
        self.numbers = {}
        for key, default in (("depth", "100000"), ("states", "1"), ("timeout", "120")):
            value = one(self.found, key, default)
            if not value.isdigit():
                self.wrong("%s=%s: a number is wanted" % (key, value))
            self.numbers[key] = int(value)

    def wrong(self, text):
        raise Failure("%s: %s" % (os.path.relpath(self.path, images.ROOT), text))

    def tests(self):
        for mutant in [""] + list(self.mutants):
            yield Test("model/%s%s" % (self.stem, mutant and " " + mutant), self.body(mutant), 1, self.numbers["timeout"])

    def body(self, mutant):
        def body(test, runner):
            said = []
            for what in ["safety"] + self.claims:
                if mutant and self.mutants[mutant] not in ("", what):
                    continue
                errors, states, output = self.search(test, runner, what, mutant)
                if not mutant and errors:
                    raise Failed("%s\n%s: %d errors" % (output, what, errors))
                if not mutant and states < self.numbers["states"]:
                    raise Failed("%s\n%s: %d states, wanted %d at least" % (output, what, states, self.numbers["states"]))
                if mutant and errors:
                    return "refuted by %s after %d states" % (what, states)
                said.append("%s %d states" % (what, states))
            if mutant:
                raise Failed("%s: not refuted by a complete search: %s" % (mutant, ", ".join(said)))
            return ", ".join(said)
        return body

    def search(self, test, runner, what, mutant):
        """One property over all states: errors, states, what spin said. An error's steps are part of what it said."""
        claim = what != "safety"
        folder = os.path.join(images.BUILD, "model", "-".join([self.stem, what] + [mutant] * bool(mutant)))
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        shutil.copy(self.path, folder)
        name = os.path.basename(self.path)
        flags = ["-DMEMLIM=%d" % MODEL_MEGABYTES] + ([] if claim else ["-DSAFETY", "-DNOCLAIM"])
        nfair = ["-DNFAIR=3"] if claim else []
        macros = [word for value in self.found.get("cflags", []) for word in words_of(value)] + ["-D" + mutant] * bool(mutant)
        macros.append("-DSEARCH_" + what)
        search = ["./pan", "-m%d" % self.numbers["depth"]]
        if claim:
            search += ["-a"] + ["-f"] * (one(self.found, "fair", "yes") != "no") + (["-N", what] if len(self.claims) > 1 else [])
        output = ""
        for command in (["spin"] + macros + ["-a", name], ["gcc", "-O2", "-w"] + flags + nfair + ["-o", "pan", "pan.c"], search):
            status, output = runner.process(command, test.timeout, os.environ, folder)
            if status is None:
                raise Failed("%s\n%s: time-out after %g s" % (output, " ".join(command), test.timeout))
            if status and command is not search:
                raise Failed("%s\n%s: exit status %d" % (output, " ".join(command), status))
        errors, states = re.search(r"errors: (\d+)", output), re.search(r"^\s*(\d+) states, stored", output, re.M)
        if not errors or not states:
            raise Failed("%s\n%s: no result" % (output, what))
        found = int(errors.group(1))
        if not found and re.search(r"max search depth too small|Search not completed|out of memory|reached -DMEMLIM|resized", output):
            raise Failed("%s\n%s: the search is not complete" % (output, what))
        if found and not mutant:
            output += runner.process(["spin", "-t", "-p", "-g", name], test.timeout, os.environ, folder)[1][-6000:]
        return found, int(states.group(1)), output


def model_tests():
    for path in sources_in("models", ".pml"):
        yield from Model(path).tests()


# ---- guest tests -----------------------------------------------------------------------------------------------------

GUEST_KEYS = {"cpus", "machine", "alloc", "sched", "mem", "args", "env", "stdin", "exit", "timeout", "expect-stderr",
              "expect-stdout", "config", "cflags", "srcs", "accel", "files", "append", "plat", "check", "replay", "seed",
              "strategy", "expect-report", "plant"}
PLANTED_RUNS = 10


class Machine:
    """One combination of a guest test's lists."""

    def __init__(self, plat, cpus, alloc, sched, memory, machine=None, config=None):
        self.plat, self.cpus, self.alloc, self.sched, self.memory, self.machine = plat, cpus, alloc, sched, memory, machine
        self.config = config            # None: the test's, or the one asked for


class Guest:
    """A guest test's source and what its directive says."""

    def __init__(self, path, folder, found, opts):
        self.path, self.folder, self.found, self.opts = path, folder, found, opts
        self.stem = os.path.splitext(os.path.basename(path))[0]
        self.check = one(found, "check") or None
        if self.check is not None and self.check not in images.CHECKS:
            self.wrong("check=%s: one of %s is wanted" % (self.check, " ".join(images.CHECKS)))
        self.replays = self.number("replay")
        self.seed = self.number("seed")
        self.report = one(found, "expect-report") or None
        self.plant = one(found, "plant") or None
        self.timeout = float(one(found, "timeout", "60"))
        usual = images.PLATFORMS if self.check is None and "accel" not in found else ("vm",) if self.check is None else ("host",)
        self.plats = self.values("plat", ",".join(usual))
        for plat in self.plats:
            if plat not in images.PLATFORMS:
                self.wrong("plat=%s: one of %s is wanted" % (plat, " ".join(images.PLATFORMS)))
        self.torture = folder == "torture" and includes(path, r"torture\.h")
        self.allocs = self.values("alloc", opts.alloc or images.DEFAULT_ALLOC)
        if self.allocs == ["all"]:
            self.allocs = list(images.ALLOCATORS)

    def wrong(self, text):
        raise Failure("%s: %s" % (os.path.relpath(self.path, images.ROOT), text))

    def number(self, key):
        text = one(self.found, key)
        if text and not text.isdigit():
            self.wrong("%s=%s: a number is wanted" % (key, text))
        return int(text) if text else None

    def values(self, key, default):
        return options.unique([item for value in self.found.get(key, [default]) for item in value.split(",") if item])

    def wants_cpus(self, cpus):
        return not self.opts.only_cpus or int(cpus) in self.opts.only_cpus

    def machines(self):
        """The combinations, in a fixed order."""
        for plat in self.plats:
            kinds = self.values("machine", "microvm") if plat == "vm" else [None]
            for cpus, kind, alloc, sched, memory in itertools.product(
                    self.values("cpus", "1,2,4,8" if self.folder == "torture" else "1,2,4"), kinds, self.allocs, self.values("sched", "preempt"), self.values("mem", "256M")):
                if self.wants_cpus(cpus) and not (self.opts.machine and kind != self.opts.machine) \
                        and self.opts.plat in (None, plat):
                    yield Machine(plat, int(cpus), alloc, sched, memory, kind)

    def tests(self):
        name = "%s/%s" % (self.folder, self.stem)
        if self.folder == "planted":
            yield from self.planted(name)
            return
        if not self.opts.seeds:
            for machine in self.machines():
                text = "%s %s cpu%s %s %s" % (name, machine.cpus, "s" * (machine.cpus != 1), machine.machine or "host", machine.alloc)
                text += " coop" if machine.sched == "coop" else ""
                text += " " + machine.memory if len(self.values("mem", "256M")) > 1 else ""
                text += " " + self.check if self.check else ""
                test = Test(text, self.body(machine), 1 if machine.cpus == 1 else 2, self.timeout)
                test.torture_cpus = machine.cpus if self.folder == "torture" else None
                yield test
            yield from self.validated(name)
        if self.replays and self.opts.plat in (None, "host") and not self.opts.machine:
            first, count = self.opts.first_seed, self.opts.seeds or self.replays
            if self.draws():
                yield Test("%s replay %d-%d" % (name, first, first + count - 1), self.seeds_body(first, count), 1, self.timeout)

    def validated(self, name):
        """One run with the lock validator, for programs that use tutti's own interfaces."""
        if self.opts.config or self.opts.minutes or {"config", "strategy"} & set(self.found) or not includes(self.path, "(?:uk|tutti)/[^\">]*", "<"):
            return
        for machine in self.machines():
            if machine.plat == "host" and machine.cpus == 2:
                machine.config = "debug"
                yield Test("%s 2 cpus host %s debug" % (name, machine.alloc), self.body(machine), 2, self.timeout)
                return

    # -- a run -----------------------------------------------------------------------------------------------------------

    def start(self, test, runner, machine, schedule=None, fixed=False):
        """Run it once; returns the result, what it is started from, and the kernel's lines."""
        found = self.found
        check = "replay" if schedule is not None else self.check
        image = runner.guest_image(self.path, self.folder, found, machine.config or one(found, "config", self.opts.config or "default"), machine.plat, check,
                                   fixed, None if fixed else self.plant)
        args = [os.fsencode(arg) for value in found.get("args", []) for arg in shlex.split(value)]
        if self.torture:
            args += runner.torture_args(test)
        env = environment(found.get("env", [])) + [b"TUTTI_MINUTES=%g" % (runner.torture_seconds(test) / 60)]
        argv = [os.fsencode(self.stem)] + args
        files = os.path.join(images.ROOT, one(found, "files")) if "files" in found else None
        stdin = os.fsencode(one(found, "stdin"))
        memory, more = options.memory(machine.memory, "mem"), found.get("append", [])
        messages = guest.Collector(Symbolizer(image, images.ROOT))
        if machine.plat == "host":
            spec = host.Spec(image, machine.cpus, memory, machine.alloc, machine.sched, replay=schedule, name=self.stem, extra=more)
            result = host.run(spec, argv, env, cpio.files(files), stdin, timeout=test.timeout, watcher=messages, stop=runner.stopping)
        else:
            accel = one(found, "accel", "tcg")
            if accel == "kvm" and not qemu.kvm_opens():
                raise Skip("/dev/kvm does not open here")
            spec = qemu.Spec(image, machine.cpus, memory, machine.alloc, machine.sched, machine.machine, accel, name=self.stem, extra=more)
            result = qemu.run(spec, cpio.archive(argv, env, files), stdin, timeout=test.timeout, watcher=messages,
                              stop=runner.stopping)
        return result, image, "\n".join(messages.lines)

    def complaints(self, result, kernel, found_bug=True):
        """What is wrong with a run, line by line. found_bug: whether what expect-report names has to be there."""
        found, wrong = self.found, []
        stdout, stderr = (data.decode("utf-8", "replace") for data in (result.stdout, result.stderr))
        want = int(one(found, "exit", "134" if self.report else "0")) if found_bug else 0
        if result.status == SKIP and want != SKIP:
            raise Skip(last_line(stdout) or "not possible here")
        if result.status != want:
            wrong.append("exit status %d, wanted %d%s" % (result.status, want, "; " + result.reason if result.reason else ""))
        patterns = [(pattern, stderr + "\n" + kernel, "standard error or the kernel's messages") for pattern in found.get("expect-stderr", [])]
        patterns += [(pattern, stdout, "standard output") for pattern in found.get("expect-stdout", [])]
        if self.report and found_bug:
            patterns.append((self.report, kernel, "the report"))
        for pattern, text, where in patterns:
            if not re.search(pattern, text, re.M):
                wrong.append("nothing like /%s/ in %s" % (pattern, where))
        if wrong:
            parts = [(title, text) for title, text in (("standard output", stdout), ("standard error", stderr), ("kernel", kernel))
                     if text.strip()]
            wrong = ["--- %s:\n%s" % part for part in parts] + wrong
        return wrong

    def body(self, machine):
        def body(test, runner):
            result, _, kernel = self.start(test, runner, machine)
            wrong = self.complaints(result, kernel)
            if wrong:
                raise Failed("\n".join(wrong))
        return body

    # -- replayed runs -----------------------------------------------------------------------------------------------------

    def draws(self):
        """The combinations that replayed runs take turns with: those where CPUs can get into each other's way."""
        every = [machine for machine in self.machines() if machine.plat == "host"]
        return [machine for machine in every if machine.cpus > 1] or every

    def draw(self, seed):
        """The combination and the schedule that a seed stands for."""
        machines = self.draws()
        strategy = one(self.found, "strategy") or ("walk", "pct")[seed % 2]
        return machines[seed // 2 % len(machines)], host.Replay(seed, strategy)

    def again(self, runner, image, machine, schedule):
        """The command that runs a seed again: the environment is a part of what a seed decides."""
        words = ["./tutti", "run", os.path.relpath(image, images.ROOT), "--replay", str(schedule.seed), "--strategy", schedule.strategy,
                 "-c", str(machine.cpus), "--alloc", machine.alloc, "--sched", machine.sched, "-m", machine.memory]
        for key in self.found.get("append", []):
            words += ["--append", key]
        for item in self.found.get("env", []):
            words += ["-e", item]
        words += ["-e", "TUTTI_MINUTES=0"]
        if "files" in self.found:
            words += ["--files", one(self.found, "files")]
        args = [arg for value in self.found.get("args", []) for arg in shlex.split(value)]
        args += [os.fsdecode(word) for word in runner.torture_args(None)] if self.torture else []
        text = " ".join(shlex.quote(word) for word in words + (["--"] + args if args else []))
        return ("printf %%s %s | " % shlex.quote(one(self.found, "stdin")) if "stdin" in self.found else "") + text

    def seeds_body(self, first, count, fixed=False, found_bug=True):
        """Every seed has to be as the directive says; those that are not are named, with the command that runs one again."""
        def body(test, runner):
            failed, text = [], ""
            for seed in range(first, first + count):
                if runner.stopping():
                    return
                machine, schedule = self.draw(seed)
                result, image, kernel = self.start(test, runner, machine, schedule, fixed)
                wrong = self.complaints(result, kernel, found_bug)
                if wrong:
                    failed.append(seed)
                    text = text or "seed %d:\n%s\nagain: %s" % (seed, "\n".join(wrong + [replay.summary(seed, result)]),
                                                             self.again(runner, image, machine, schedule))
            if failed:
                raise Failed("%s\n%d of %d seeds failed: %s" % (text, len(failed), count, " ".join(map(str, failed[:50]))))
        return body

    # -- planted bugs ------------------------------------------------------------------------------------------------------

    def planted(self, name):
        if self.opts.seeds or self.opts.plat == "vm" and "vm" not in self.plats or self.opts.machine:
            return
        with open(self.path, encoding="utf-8") as file:
            has_fix = self.plant is not None or re.search(r"\bFIXED\b", file.read()) is not None
        if not self.replays:
            for machine in self.machines():
                text = "%s %s cpu%s %s" % (name, machine.cpus, "s" * (machine.cpus != 1), machine.machine or "host")
                text += " " + self.check if self.check else ""
                yield Test(text, self.repeat_body(machine, PLANTED_RUNS), 2, self.timeout)
                if has_fix:
                    yield Test(text + " fixed", self.repeat_body(machine, PLANTED_RUNS, fixed=True), 2, self.timeout)
            return
        if not self.draws():
            return
        yield Test("%s within %d seeds" % (name, self.replays), self.search_body(), 1, self.timeout)
        if self.seed is not None:
            yield Test("%s seed %d" % (name, self.seed), self.seed_body(), 1, self.timeout)
        if has_fix:
            if self.seed is not None:
                yield Test("%s seed %d fixed" % (name, self.seed), self.seed_body(True), 1, self.timeout)
            yield Test("%s replay fixed" % name, self.seeds_body(0, self.replays, True, False), 1, self.timeout)

    def repeat_body(self, machine, times, fixed=False):
        def body(test, runner):
            for number in range(times):
                result, _, kernel = self.start(test, runner, machine, fixed=fixed)
                wrong = self.complaints(result, kernel, not fixed)
                if wrong:
                    raise Failed("\n".join(wrong + ["run %d of %d" % (number + 1, times)]))
        return body

    def search(self, test, runner):
        """The first seed that finds the bug, or None; and what was wrong with an end that is neither success nor the bug."""
        last = []
        for seed in range(self.replays):
            if runner.stopping():
                return seed, last
            machine, schedule = self.draw(seed)
            result, _, kernel = self.start(test, runner, machine, schedule)
            wrong = self.complaints(result, kernel)
            if not wrong:
                return seed, last
            if result.status:
                last = wrong
        return None, last

    def search_body(self):
        def body(test, runner):
            found, last = self.search(test, runner)
            if found is None:
                raise Failed("\n".join(last + ["none of the seeds 0 to %d finds it" % (self.replays - 1)]))
        return body

    def seed_body(self, fixed=False):
        """The kept seed, always with the same end and the same hash."""
        def body(test, runner):
            machine, schedule = self.draw(self.seed)
            hashes = set()
            for number in range(PLANTED_RUNS):
                result, image, kernel = self.start(test, runner, machine, schedule, fixed)
                wrong = self.complaints(result, kernel, not fixed)
                hashes.add((result.replay or {}).get("hash"))
                if not wrong and len(hashes) == 1 and None not in hashes:
                    continue
                wrong += ["run %d of %d; hashes: %s" % (number + 1, PLANTED_RUNS, " ".join(map(str, hashes))),
                          "again: " + self.again(runner, image, machine, schedule)]
                if not fixed and number == 0:   # the code has changed, and with it the schedule that the seed stands for
                    wrong.append("the first seed that finds it now: %s" % self.search(test, runner)[0])
                raise Failed("\n".join(wrong))
        return body


def includes(path, pattern, quote='"'):
    """Does the source include a header of that kind, a regular expression?"""
    with open(path, encoding="utf-8") as file:
        return re.search("^#include %s%s[\">]" % (quote, pattern), file.read(), re.M) is not None


def guest_tests(folder, opts, short_only=False):
    for path in sources_in(folder, ".c"):
        if short_only and not includes(path, r"torture\.h"):
            continue
        found = directive(path, "test")
        if found is None:
            if not has_main(path):
                continue
            found = {}
        checked(path, found, GUEST_KEYS)
        yield from Guest(path, folder, found, opts).tests()


# ---- integration tests -----------------------------------------------------------------------------------------------

class Outcome:
    """What a command did."""

    def __init__(self, status, out, err, seconds):
        self.status, self.out, self.err, self.seconds = status, out, err, seconds

    def lines(self):
        return self.err.decode("utf-8", "replace").splitlines()

    def __str__(self):
        def short(data):
            text = data.decode("utf-8", "replace")
            return text if len(text) < 2000 else text[:1000] + "\n…\n" + text[-900:]
        return "status %s after %.2f s\n--- standard output:\n%s\n--- standard error:\n%s" % (
            self.status, self.seconds, short(self.out), short(self.err))


class Context:
    """What an integration test is given."""

    def __init__(self, runner, test):
        self.runner, self.test = runner, test
        self.root = images.ROOT
        self.tool = os.path.join(images.ROOT, "tutti")
        self.tmp = tempfile.mkdtemp(prefix="tutti-test-")

    def close(self):
        shutil.rmtree(self.tmp, ignore_errors=True)

    def skip(self, why):
        raise Skip(why)

    def write(self, name, text, mode=0o644):
        """A file in the test's own folder; returns its path."""
        path = os.path.join(self.tmp, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)
        return path

    def popen(self, args, **more):
        """./tutti with these arguments, running; the test ends it."""
        return self.command_popen([self.tool] + list(args), **more)

    def command_popen(self, command, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        more.setdefault("cwd", self.tmp)
        more.setdefault("env", images.clean_env())
        return subprocess.Popen(command, start_new_session=True, preexec_fn=images.die_with_me, **more)

    def command(self, command, stdin=b"", timeout=None, check=None, **more):
        """Run a command to its end. check: the status it must have."""
        start = time.monotonic()
        process = self.command_popen(command, stdin=subprocess.PIPE, **more)
        try:
            out, err = process.communicate(stdin, timeout=timeout or self.test.timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise Failed("%s\ntime-out" % Outcome(None, out, err, time.monotonic() - start))
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        outcome = Outcome(process.returncode, out, err, time.monotonic() - start)
        if check is not None and outcome.status != check:
            raise Failed("%s\n%s\nwanted status %d" % (" ".join(shlex.quote(os.fsdecode(word)) for word in command), outcome, check))
        return outcome

    def tutti(self, args, **more):
        return self.command([self.tool] + list(args), **more)

    def c(self, text, name="t.c"):
        """A C program; returns its path. A body without main() is put into one."""
        if "main(" not in text:
            text = "int main(int argc, char **argv)\n{\n%s\n}\n" % text
        heads = "".join("#include <%s.h>\n" % head for head in ("stdio", "stdlib", "string", "unistd", "stdint"))
        return self.write(name, heads + "#line 1\n" + text)

    def usage_error(self, args, *patterns, **more):
        """The command must end with status 2, one line that starts with `tutti:`, nothing on standard output."""
        outcome = self.tutti(args, **more)
        lines = outcome.lines()
        if outcome.status != 2 or len(lines) != 1 or not lines[0].startswith("tutti: ") or outcome.out:
            raise Failed("%s: wanted status 2 and one line\n%s" % (args, outcome))
        for pattern in patterns:
            if not re.search(pattern, lines[0]):
                raise Failed("%s: wanted /%s/\n%s" % (args, pattern, outcome))
        return outcome

    @staticmethod
    def qemus(parent):
        """Process ids of the QEMUs that a process has started."""
        found = []
        for pid in os.listdir("/proc"):
            if pid.isdigit():
                try:
                    with open("/proc/%s/stat" % pid) as file:
                        name, _, rest = file.read().partition("(")[2].rpartition(")")
                    if name.startswith("qemu-system") and rest.split()[1] == str(parent):
                        found.append(int(pid))
                except (OSError, IndexError):
                    pass
        return found

    @staticmethod
    def wait_for(condition, timeout=20, what="the condition"):
        """Poll until condition() is true; returns what it returned."""
        end = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise Failed("%s did not come within %g s" % (what, timeout))
            time.sleep(0.02)


def gone(pid):
    """Has this process ended?"""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def integration_tests():
    for path in sources_in("integration", ".py"):
        stem = os.path.splitext(os.path.basename(path))[0]
        spec = importlib.util.spec_from_file_location("tutti_integration_" + stem, path)
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:      # whatever a broken test file raises
            raise Failure("%s: %s" % (os.path.relpath(path, images.ROOT), error))
        functions = [item for name, item in vars(module).items() if name.startswith("test_") and callable(item)]
        for function in sorted(functions, key=lambda item: item.__code__.co_firstlineno):
            yield Test("integration/%s %s" % (stem, function.__name__[5:]), integration_body(function),
                       getattr(function, "weight", 2), getattr(function, "timeout", 60))


def integration_body(function):
    def body(test, runner):
        context = Context(runner, test)
        try:
            function(context)
        except AssertionError as error:
            raise Failed("".join(traceback.format_exception(type(error), error, error.__traceback__)[-3:]))
        finally:
            context.close()
    return body


# ---- runner ----------------------------------------------------------------------------------------------------------

def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


class Runner:
    def __init__(self, opts, tests):
        self.jobs, self.minutes, self.seed = opts.jobs, opts.minutes, opts.seed
        self.torture = {}               # number of CPUs: how many torture programs share the time
        for test in tests:
            if test.torture_cpus:
                self.torture[test.torture_cpus] = self.torture.get(test.torture_cpus, 0) + 1
                if opts.minutes:
                    test.weight, test.timeout = 2, 2 * self.torture_time() + 120
        self.building = threading.RLock()
        self.images = {}
        self.stopped = False
        self.children = set()
        self.passed = self.failed = self.skipped = 0

    def stopping(self):
        return self.stopped

    def torture_time(self):
        return 60 * float(self.minutes or 1)

    def torture_seconds(self, test):
        """How long this torture program may take; of others, what the variable always said."""
        return self.torture_time() / self.torture[test.torture_cpus] if test.torture_cpus else 60

    def torture_args(self, test):
        """Seed, and the time in a run by time. A replayed run has its short form and its own seed."""
        words = ["--seed", self.seed] if self.seed else []
        if self.minutes and test is not None and test.torture_cpus:
            words += ["--seconds", "%d" % max(1, self.torture_seconds(test))]
        return [os.fsencode(word) for word in words]

    def guest_image(self, path, folder, found, config, plat="vm", check=None, fixed=False, plant=None):
        """Built once per run of the tests; a failure to build is the failure of each test that needs it."""
        with self.building:
            key = (path, config, plat, check, fixed, plant)
            if key not in self.images:
                try:
                    kern = images.kernel(config, plat=plat, check=check, plant=plant)
                    more = [os.path.join(images.ROOT, name) for value in found.get("srcs", []) for name in value.replace(",", " ").split()]
                    flags = [word for value in found.get("cflags", []) for word in words_of(value, kern.folder)]
                    flags += ["-DFIXED"] * fixed + ["-DCHECK_REPLAY"] * (check == "replay")
                    stem = os.path.splitext(os.path.basename(path))[0]
                    program = images.Program(stem, [path] + more, flags, folder=os.path.join("tests", folder, stem + "-fixed" * fixed))
                    self.images[key] = images.build(program, kern, tool=capture)
                except (Failed, Failure) as error:
                    self.images[key] = error
            if isinstance(self.images[key], Exception):
                raise Failed(str(self.images[key]))
            return self.images[key]

    def process(self, command, timeout, env, folder=images.ROOT):
        """(status or None after a time-out, output) of a Linux program."""
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       cwd=folder, env=env, start_new_session=True, preexec_fn=images.die_with_me)
        except OSError as error:
            raise Failed("%s: %s" % (command[0], error))
        self.children.add(process)
        try:
            output, _ = process.communicate(timeout=timeout)
            return process.returncode, output.decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0].decode("utf-8", "replace")
        finally:
            self.children.discard(process)

    def run(self, tests):
        """Tests of weight 1 run beside each other, up to `jobs`; one of weight 2 runs alone."""
        state = threading.Condition()
        running = {"weight": 0}

        def work(test):
            start = time.monotonic()
            try:
                result, text = "passed", ""
                try:
                    text = test.body(test, self) or ""
                except Skip as why:
                    result, text = "skipped", str(why)
                except (Failed, Failure) as error:
                    result, text = "FAILED", str(error)
                except BaseException:   # a test that breaks, or leaves by sys.exit(), is a failing test
                    result, text = "FAILED", traceback.format_exc()
                if not self.stopped:
                    self.tell(test, result, text, time.monotonic() - start, len(tests))
            finally:
                with state:
                    running["weight"] -= min(test.weight, self.jobs) if test.weight == 1 else self.jobs
                    state.notify()

        threads = []
        try:
            for number, test in enumerate(tests, 1):
                weight = 1 if test.weight == 1 else self.jobs
                with state:
                    while running["weight"] + weight > self.jobs:
                        state.wait(0.5)
                    running["weight"] += weight
                progress("%s  (%d of %d)" % (test.name, number, len(tests)))
                thread = threading.Thread(target=work, args=(test,), daemon=True)
                threads.append(thread)
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.5)
        except BaseException:
            self.stopped = True
            guest.kill_all()
            for process in list(self.children):
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except OSError:
                    pass
            for thread in threads:
                thread.join(5)
            raise

    def tell(self, test, result, text, seconds, total):
        with console.lock:
            if result == "passed":
                self.passed += 1
            elif result == "skipped":
                self.skipped += 1
            else:
                self.failed += 1
            console.out("%-8s %6.1f s  %s%s" % (result, seconds, test.name, ": " + text if text and result != "FAILED" else ""))
            if result == "FAILED":
                if len(text) > LONGEST:
                    text = text[:LONGEST // 2] + "\n…\n" + text[-LONGEST // 2:]
                console.out("\n".join("    " + line for line in text.splitlines()))


def collect(opts):
    programs = list(guest_tests("guest", opts)) + list(guest_tests("planted", opts))
    tests = programs if opts.plat or opts.seeds or opts.config else list(host_tests()) + list(model_tests()) + programs + list(integration_tests())
    long_form = any(name.startswith("torture") for name in opts.names)
    tests += list(guest_tests("torture", opts, short_only=not long_form))
    return tests


def wanted(tests, patterns):
    if not patterns:
        return tests
    return [test for test in tests if any(pattern in test.name or fnmatch.fnmatch(test.name, pattern) for pattern in patterns)]


def check(words):
    opts = options.parse(words, TEST_OPTIONS, "test")
    if opts.plat is not None:
        options.choice(opts.plat, "--plat", images.PLATFORMS)
    opts.first_seed = replay.number(opts.first_seed, "--first-seed", host.MAX_SEED)
    if opts.seeds is not None:
        opts.seeds = options.count_list(opts.seeds, "--seeds", 1 << 32)[0]
        if opts.plat == "vm":
            raise Failure("--seeds needs --plat host: a virtual machine's schedule is not tutti's to choose")
    opts.only_cpus = options.cpu_list(opts.cpus) if opts.cpus else None
    if opts.machine:
        options.choice(opts.machine, "--machine", ("microvm", "q35"))
    if opts.alloc:
        options.choice(opts.alloc, "--alloc", images.ALLOCATORS)
    if opts.config:
        options.choice(opts.config, "--config", images.configs())
    opts.jobs = options.count_list(opts.jobs, "--jobs", 64)[0]
    if opts.minutes is not None and not (re.fullmatch(r"\d+(\.\d+)?", opts.minutes) and float(opts.minutes) > 0):
        raise Failure("--minutes %s: a number above 0 is wanted" % opts.minutes)
    if opts.seed is not None:
        opts.seed = str(replay.number(opts.seed, "--seed", 2 ** 64 - 1))
    return opts


def names():
    """Every test's name, without the machines it runs on."""
    return options.unique([test.name.split(" ")[0] if not test.name.startswith("integration/") else test.name
                           for test in collect(check([]))])


def command_test(words):
    opts = check(words)
    if opts.help:
        console.out(USAGE)
        return 0
    tests = wanted(collect(opts), opts.names)
    if opts.list:
        for test in tests:
            console.out(test.name)
        return 0
    lost = [name for name in opts.names if not wanted(tests, [name])]
    if lost or not tests:
        raise Failure("test: nothing matches %s; ./tutti test --list names the tests" % " ".join(lost or opts.names))
    plat = "host" if opts.seeds or opts.plat == "host" else "vm"
    if any(not test.name.startswith(("host/", "model/")) for test in tests) \
            or not os.path.isfile(os.path.join(images.BUILD, "default", "gen", "config.h")):
        images.kernel("default", plat=plat)     # a kernel that does not build is one error, not hundreds
    runner = Runner(opts, tests)
    start = time.monotonic()
    try:
        runner.run(tests)
    finally:
        console.wipe()
    progress("%.0f s" % (time.monotonic() - start))
    console.out("%d passed, %d failed, %d skipped" % (runner.passed, runner.failed, runner.skipped))
    sys.stdout.flush()
    return 1 if runner.failed else 0
