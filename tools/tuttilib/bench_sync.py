# SPDX-License-Identifier: BSD-3-Clause
"""`tutti bench sync`: what locks, switches, wake-ups, threads and timers cost, and what they cost on Linux.

One source (apps/bench/sync) becomes tutti's image and, for a comparison, a static Linux program with musl and one with glibc. Each run of it
measures every figure in many short rounds and says the smallest and the middle average. Here the runs take turns: in each of our
rounds, for each number of CPUs, every system once, and who is first changes from round to round. Of a figure the smallest of the minima and
the median of the medians count, and the ratio is tutti's to each Linux one's: of times, so below 1 is faster. Where threads
compete, the fastest round is one in which they did not meet; there the smallest of the runs' medians stands for the minimum.

--vs native: on host, against Linux processes. Both are bound to as many of the computer's CPUs as they may use, each virtual CPU to one (--pin is implied).
--vs linux: on vm, against the programs in a Linux guest on the same machine (linux_guest.py). One boot runs both.
In either machine each virtual CPU's thread is bound to a CPU of the computer of its own when the program begins: two that share a
core by chance make figures of two CPUs ten times larger, whatever runs in them.
One CPU in a machine is one of two possible: with one possible the emulator leaves out atomic instructions.

The aims stand in TARGETS and SPEEDUPS below and nowhere else. A figure that was not measured meets none.
"""

import glob
import json
import os
import re
import statistics

from . import console, cpio, guest, host, images, linux_guest, native, options, qemu, setup
from .console import Failure, progress, say
from .run import check_alloc, check_room
from .symbolize import Symbolizer

SOURCES = os.path.join(images.APPS, "bench", "sync")
LIBCS = ("musl", "glibc")
BETTER = "better"               # of the two
MAX_CPUS = 2
INNER_ROUNDS = 41
LINE = re.compile(r"^@sync name=(\S+)(.*)$")

COMPETE = {"mutex_2_threads", "mutex_4_threads", "pipeline"}

# (figure, CPUs) -> [(what it is compared with, largest ratio of times)]
TARGETS = {
    "native": {
        ("yield", 1): [(BETTER, 0.07)],
        ("condition", 1): [("musl", 0.03), ("glibc", 0.07)],
        ("create_join", 1): [(BETTER, 0.15)],
        ("wake", 1): [(BETTER, 0.1)],
        ("mutex", 1): [(BETTER, 1.05)],
    },
    "linux": {
        ("yield", 1): [(BETTER, 0.06)],
        ("condition", 1): [(BETTER, 0.1)],
        ("condition", 2): [(BETTER, 0.5)],
        ("wake", 1): [(BETTER, 0.1)],
        ("wake", 2): [(BETTER, 0.5)],
        ("create_join", 1): [(BETTER, 0.2)],
        ("create_join", 2): [(BETTER, 0.2)],
        ("mutex_2_threads", 1): [(BETTER, 0.7)],
        ("mutex_2_threads", 2): [(BETTER, 0.7)],
        ("mutex_4_threads", 1): [(BETTER, 0.7)],
        ("mutex_4_threads", 2): [(BETTER, 0.7)],
        ("mutex", 1): [(BETTER, 1.05)],
        ("rwlock_read", 1): [(BETTER, 1.05)],
        ("rwlock_write", 1): [(BETTER, 1.05)],
        ("semaphore", 1): [(BETTER, 1.05)],
        ("spin", 1): [(BETTER, 1.05)],
    },
}
# What follows from two figures of one system: name, (figure, CPUs) divided by (figure, CPUs), {platform: aim}, is more better?
SPEEDUPS = (
    ("pairs, 2 CPUs against 1", ("pairs_scaling", 1), ("pairs_scaling", 2), {"host": 1.9, "vm": 1.7}, True),
    ("rwlock readers, 2 CPUs against 1", ("rwlock_read_scaling", 1), ("rwlock_read_scaling", 2), {}, True),
    ("RCU readers, 2 CPUs against 1", ("rcu_read_scaling", 1), ("rcu_read_scaling", 2), {}, True),
    ("timer, 100,000 armed against 10", ("timer_100000", 1), ("timer_10", 1), {"host": 1.5, "vm": 1.5}, False),
)
# tutti's own kind of lock has no row in a Linux program; it stands beside what does the same there.
REFERENCE = {"tutti_spin": "spin"}


def program():
    return images.Program("sync", sorted(glob.glob(os.path.join(SOURCES, "*.c"))), folder=os.path.join("apps", "sync"),
                          about="locks, switches, wake-ups, threads, timers")


def known_figures(sources=None):
    """name -> (least, most CPUs), as the sources' tables say."""
    found = {}
    for source in sources or program().sources:
        with open(source, encoding="utf-8") as file:
            for name, least, most in re.findall(r'^\t\{ "(\w+)", "[^"]+", (\d), (\d), \w+ \},$', file.read(), re.M):
                found[name] = (int(least), int(most))
    return found


def own_figures():
    """Names of those that a Linux program cannot have, and tutti only if it is built with what they measure."""
    return known_figures([os.path.join(SOURCES, "tutti.c")])


# ---- what was measured -----------------------------------------------------------------------------------------------

class Figure:
    """One figure on one number of CPUs, by system."""

    def __init__(self, name, cpus):
        self.name, self.cpus = name, cpus
        self.runs = {}          # system -> [(ns, median)]
        self.absent = {}        # system -> reason

    def best(self, system):
        if system not in self.runs:
            return None
        return min(middle if self.name in COMPETE else ns for ns, middle in self.runs[system])

    def middle(self, system):
        return statistics.median(middle for _, middle in self.runs[system]) if system in self.runs else None


class Figures:
    """All of them, in the order in which they were first seen."""

    def __init__(self):
        self.table = {}

    def at(self, name, cpus):
        return self.table.setdefault((name, cpus), Figure(name, cpus))

    def value(self, key, system, which="best"):
        figure = self.table.get(key)
        if figure is not None and system in LIBCS and figure.name in REFERENCE:
            figure = self.table.get((REFERENCE[figure.name], figure.cpus))
        return getattr(figure, which)(system) if figure else None

    def ratio(self, key, system, which="best"):
        """tutti's time divided by that of the other system, or by the better one's."""
        mine = self.value(key, "tutti", which)
        if system == BETTER:
            found = [other for other in (self.value(key, libc, which) for libc in LIBCS) if other]
            other = min(found) if found else None
        else:
            other = self.value(key, system, which)
        return mine / other if mine and other else None

    def put(self, system, text, names, cpus):
        """Takes the lines of one run that was to measure `names`; returns what is wrong with them, or None."""
        ended, seen = False, set()
        for line in text.splitlines():
            line = line.strip()
            if line == "@sync end":
                ended = True
            match = LINE.match(line)
            if not match:
                continue
            facts = dict(word.split("=", 1) for word in match.group(2).split() if "=" in word)
            try:
                figure = self.at(match.group(1), int(facts["cpus"]))
                seen.add(figure.name)
                if "absent" in facts:
                    figure.absent[system] = facts["absent"].replace("_", " ")
                    continue
                ns, middle = float(facts["ns"]), float(facts["median"])
            except (KeyError, ValueError):
                return "a line that makes no sense: %s" % line
            if facts.get("check") != "ok":
                return "%s: the program's check of its own result failed" % figure.name
            if not 0 < ns <= middle:
                return "%s: impossible figures: %s" % (figure.name, line)
            figure.runs.setdefault(system, []).append((ns, middle))
        if not ended:
            return "it ended after %d figures" % len(seen)
        for name in names:
            if name not in seen and name in own_figures():
                if system == "tutti":
                    self.at(name, cpus).absent[system] = "not in this build"
            elif name not in seen:
                return "%s is missing" % name
        return None


def bind_vcpus(pid):
    """One CPU of this computer for each virtual CPU of a machine, while there are any."""
    from .bench import vcpu_threads
    allowed = sorted(os.sched_getaffinity(0))
    for cpu, thread in vcpu_threads(pid).items():
        try:
            os.sched_setaffinity(thread, {allowed[cpu % len(allowed)]})
        except OSError:
            pass            # it has ended


class Watch(guest.Collector):
    """Tells the waiting user what is being measured, and keeps crash lines."""

    def __init__(self, label, symbolizer=None, bind=False):
        super().__init__(symbolizer)
        self.label, self.held, self.bind = label, b"", bind

    def control(self, kind, text, result):
        if self.symbolizer is not None:
            super().control(kind, text, result)

    def stdout(self, data):
        if self.bind and self.pid:
            self.bind = False
            bind_vcpus(self.pid)
        *lines, self.held = (self.held + data).split(b"\n")
        for line in lines:
            match = LINE.match(line.decode("utf-8", "replace").strip())
            if match:
                progress("%s: %s" % (self.label, match.group(1)))


# ---- runs ------------------------------------------------------------------------------------------------------------

class Bench:
    """What a series needs to know."""

    def __init__(self, opts, plat, known):
        self.opts, self.plat, self.known = opts, plat, known
        self.figures, self.failures = Figures(), []
        self.kernel = linux_guest.kernel() if opts.vs == "linux" else None      # what may fail for outer reasons comes first
        if opts.vs:
            try:
                setup.ensure(("bench",))
            except setup.SetupError as error:
                raise Failure(error)
        self.kern = images.kernel(opts.config, opts.alloc_src, plat)
        self.program = program()
        self.alloc = check_alloc(opts.alloc, self.kern.allocators) if opts.alloc else self.kern.default_alloc()
        self.image = images.build(self.program, self.kern)
        self.linux = {libc: native.build_static(self.program, self.kern, libc) for libc in LIBCS} if opts.vs else {}
        self.words = ["--rounds", str(INNER_ROUNDS)] + (["--scale", opts.scale] if opts.scale else [])
        if opts.vs == "linux":
            self.init = linux_guest.build_init(self.kern)
            self.khz = linux_guest.tsc_khz(self.linux["musl"])

    @property
    def systems(self):
        return ("tutti",) + (LIBCS if self.opts.vs else ())

    def about(self):
        from .bench import machine_text
        if self.kernel:
            return "%s, %s; Linux %s" % (machine_text(self.opts.accel, [self.plat]), self.opts.machine, self.kernel.version)
        return machine_text(self.opts.accel, [self.plat] + (["native"] if self.opts.vs else []))

    def arguments(self, cpus, only):
        return self.words + ["--cpus", str(cpus), "--only", ",".join(only)]

    def check(self, label, systems, result, texts, watch, cpus, only):
        """Takes what came of a run: the text of each system."""
        wrong = result.reason or None
        for system, text in zip(systems, texts):
            said = self.figures.put(system, text, only, cpus)
            wrong = wrong or said and "%s: %s" % (system, said)
        if not wrong and result.status:
            wrong = "exit status %d" % result.status
        if wrong:
            self.failures.append("%s: %s" % (label, wrong))
            say(self.failures[-1])
            last = watch.lines + [line for line in result.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
            if not last and texts:
                last = [line for line in texts[-1].splitlines() if line.strip() and not line.startswith("@")]
            for line in last[-12:]:
                say("  " + line)

    def run_tutti(self, cpus, only, label):
        opts = self.opts
        argv = [b"sync"] + [os.fsencode(word) for word in self.arguments(cpus, only)]
        watch = Watch(label, Symbolizer(self.image, images.ROOT), self.plat == "vm")
        if self.plat == "host":
            spec = host.Spec(self.image, cpus, opts.memory, self.alloc, opts.sched, pin=True, name="sync")
            result = host.run(spec, argv, opts.env, timeout=opts.timeout, watcher=watch)
        else:
            archive = cpio.archive(argv, opts.env)
            check_room(self.image, opts.memory, archive, "sync")
            spec = qemu.Spec(self.image, cpus, opts.memory, self.alloc, opts.sched, opts.machine, opts.accel, one_of_two=True, name="sync")
            result = qemu.run(spec, archive, timeout=opts.timeout, watcher=watch)
        self.check(label, ["tutti"], result, [result.stdout.decode("utf-8", "replace")], watch, cpus, only)

    def run_native(self, libc, cpus, only, label):
        argv = [b"sync"] + [os.fsencode(word) for word in self.arguments(cpus, only)]
        watch = Watch(label)
        spec = native.Spec(self.linux[libc], "sync", cpus, None)
        result = native.run(spec, argv, self.opts.env, self.opts.timeout, watch)
        self.check(label, [libc], result, [result.stdout.decode("utf-8", "replace")], watch, cpus, only)

    def run_guest(self, libcs, cpus, only, label):
        opts = self.opts
        commands = [["/" + libc] + self.arguments(cpus, only) for libc in libcs]
        archive = linux_guest.initramfs(self.init, self.linux, commands)
        spec = linux_guest.Spec(self.kernel.path, self.khz, opts.linux_append, cpus=cpus, memory=opts.memory, machine=opts.machine,
                                accel=opts.accel, one_of_two=True, name="linux")
        watch = Watch(label, bind=True)
        result = linux_guest.run(spec, archive, timeout=2 * opts.timeout, watcher=watch)
        text = result.stdout.decode("utf-8", "replace").replace("\r", "")
        before, *parts = re.split(r"@system /\w+\n", text)
        if not parts and not result.reason:
            result.reason = "%s: the guest's init ended before it ran the programs" % spec.name
        self.check(label, libcs[:len(parts)], result, parts or [before], watch, cpus, only)

    def turns(self, number):
        """What to run in round `number`, in this order: (label, function of CPUs, figures and label)."""
        turns = [("tutti", self.run_tutti)]
        libcs = list(LIBCS) if number % 2 == 0 else list(LIBCS)[::-1]
        if self.opts.vs == "native":
            turns += [(libc, lambda *args, libc=libc: self.run_native(libc, *args)) for libc in libcs]
        elif self.opts.vs == "linux":
            turns.append(("Linux guest", lambda *args: self.run_guest(libcs, *args)))
        shift = number % len(turns)
        return turns[shift:] + turns[:shift]

    def series(self, cpu_counts, only, rounds):
        for number in range(rounds):
            for cpus in cpu_counts:
                names = [name for name, (least, most) in self.known.items() if name in only and least <= cpus <= most]
                if not names:
                    continue
                for system, run in self.turns(number):
                    label = "sync, %s, %d CPU%s" % (system, cpus, "s" * (cpus > 1))
                    progress("%s  (round %d of %d)" % (label, number + 1, rounds))
                    run(cpus, names, label)
            if self.failures:
                break           # the rest would only fail again
        console.wipe()


# ---- output ----------------------------------------------------------------------------------------------------------

def targets(bench, key):
    return TARGETS.get(bench.opts.vs, {}).get(key, [])


def target_text(aims):
    return ", ".join("%s≤%s" % ("" if other == BETTER else other + " ", limit) for other, limit in aims)


def verdict(bench, key):
    """True, False, or None where nothing is aimed at."""
    aims = targets(bench, key)
    if not aims:
        return None
    ratios = [(bench.figures.ratio(key, other), limit) for other, limit in aims]
    return all(ratio is not None and round(ratio, 3) <= limit for ratio, limit in ratios)


def speedups(bench):
    """(name, {system: value}, aim, met, is more better?) of each that was measured."""
    found = []
    for name, above, below, aims, more in SPEEDUPS:
        values = {}
        for system in bench.systems:
            top, bottom = bench.figures.value(above, system), bench.figures.value(below, system)
            if top and bottom:
                values[system] = top / bottom
        if not values:
            continue
        aim, mine = aims.get(bench.plat), values.get("tutti")
        met = None
        if aim is not None and mine is not None:
            met = round(mine, 2) >= aim if more else round(mine, 2) <= aim
        found.append((name, values, aim, met, more))
    return found


def number(value, form="%.2f"):
    return "" if value is None else form % value


def time_text(value):
    return "%10s" % ("" if value is None else "%.1f" % value if value < 10000 else "%.0f" % value)


WORDS = {True: "met", False: "missed", None: ""}


def table(bench):
    systems, figures = bench.systems, bench.figures
    others = [system for system in systems if system != "tutti"]
    console.out("sync: nanoseconds per operation, minimum%s  [%s]" % (
        "; tutti's time divided by Linux's, of minima and of medians" if others else " and median", bench.about()))
    head = "%-20s %4s" % ("figure", "cpus") + "".join("%10s" % system for system in systems)
    head += "".join("%14s" % ("/" + system) for system in others) + ("  target" if others else "%10s" % "median")
    console.out(head)
    notes = []
    for key, figure in figures.table.items():
        text = "%-20s %4d" % key + "".join(time_text(figures.value(key, system)) for system in systems)
        for system in others:
            ratios = figures.ratio(key, system), figures.ratio(key, system, "middle")
            text += "%14s" % ("" if None in ratios else "%.3f %.3f" % ratios)
        if others:
            text += "  %-24s%s" % (target_text(targets(bench, key)), WORDS[verdict(bench, key)])
        else:
            text += time_text(figures.value(key, "tutti", "middle"))
        console.out(text.rstrip())
        notes += ["%s, %s: not measured: %s" % (figure.name, system, reason) for system, reason in figure.absent.items()]
    for name, values, aim, met, more in speedups(bench):
        text = "%-36s" % name + "".join("  %s %.2f" % (system, value) for system, value in values.items())
        if aim is not None:
            text += "  target %s%g" % ("≥" if more else "≤", aim) + "  %s" % WORDS[met]
        console.out(text.rstrip())
    for note in options.unique(notes):
        console.out(note)
    try:
        console.out("load of this computer in the last minute: %.1f" % os.getloadavg()[0])
    except OSError:
        pass


def columns(bench):
    found = ["figure", "cpus"]
    for system in bench.systems:
        found += [system + "_ns", system + "_median_ns"]
    for system in bench.systems[1:]:
        found += ["vs_" + system, "vs_%s_median" % system]
    return found + ["target", "met"]


def rows(bench):
    figures = bench.figures
    for key in figures.table:
        row = [key[0], str(key[1])]
        for system in bench.systems:
            row += [number(figures.value(key, system)), number(figures.value(key, system, "middle"))]
        for system in bench.systems[1:]:
            row += [number(figures.ratio(key, system), "%.4f"), number(figures.ratio(key, system, "middle"), "%.4f")]
        met = verdict(bench, key)
        yield row + [target_text(targets(bench, key)).replace("≤", "<="), "" if met is None else "yes" if met else "no"]


def tsv(bench):
    return "\n".join(["\t".join(columns(bench))] + ["\t".join(row) for row in rows(bench)])


def report(bench):
    figures = bench.figures
    try:
        load = os.getloadavg()
    except OSError:
        load = None
    results = []
    for key, figure in figures.table.items():
        results.append({
            "figure": key[0], "cpus": key[1],
            "systems": {system: {"ns": figures.value(key, system), "median_ns": figures.value(key, system, "middle"),
                                 "runs": figure.runs.get(system, []), "absent": figure.absent.get(system)}
                        for system in bench.systems},
            "ratios": {system: figures.ratio(key, system) for system in bench.systems[1:]},
            "median_ratios": {system: figures.ratio(key, system, "middle") for system in bench.systems[1:]},
            "targets": [{"against": other, "at_most": limit} for other, limit in targets(bench, key)],
            "met": verdict(bench, key)})
    return {"machine": bench.about(), "plat": bench.plat, "vs": bench.opts.vs, "load": load, "memory": bench.opts.memory,
            "linux": bench.kernel.version if bench.kernel else None, "linux_append": bench.opts.linux_append, "results": results,
            "derived": [{"name": name, "values": values, "target": aim, "met": met} for name, values, aim, met, _ in speedups(bench)],
            "failures": bench.failures}


# ---- command ---------------------------------------------------------------------------------------------------------

def check_options(opts, cpu_counts):
    if len(opts.plats) != 1:
        raise Failure("bench sync: one platform at a time")
    plat = opts.plats[0]
    if opts.vs == "native" and plat != "host":
        raise Failure("bench sync: --vs native compares Linux processes: --plat host is wanted")
    if opts.vs == "linux" and plat != "vm":
        raise Failure("bench sync: --vs linux compares virtual machines: --plat vm is wanted")
    if opts.linux_append and opts.vs != "linux":
        raise Failure("--linux-append is for --vs linux")
    if max(cpu_counts) > MAX_CPUS:
        raise Failure("bench sync: its figures are of 1 and 2 CPUs")
    if plat == "host" and len(os.sched_getaffinity(0)) < max(cpu_counts):
        raise Failure("bench sync: %d CPUs are wanted and this computer has %d to give; do: --cpus 1" % (
            max(cpu_counts), len(os.sched_getaffinity(0))))
    if opts.args is not None:
        raise Failure("bench sync: its program takes no arguments of yours; --scale and --only choose")
    if opts.threads:
        raise Failure("bench sync: how many threads a figure has is part of it; --threads is for the others")
    if opts.alloc and "," in opts.alloc or opts.alloc == "all":
        raise Failure("bench sync: one allocator at a time")
    return plat


def wanted(known, text, cpu_counts):
    if text is None:
        return list(known)
    names = options.unique([name for name in text.split(",") if name])
    lost = [name for name in names if name not in known]
    if lost or not names:
        raise Failure("--only %s: there is no figure %s; there are: %s" % (text, ", ".join(lost), " ".join(known)))
    never = [name for name in names if not any(known[name][0] <= cpus <= known[name][1] for cpus in cpu_counts)]
    if never:
        raise Failure("--only %s: %s is a figure of 1 CPU; do: --cpus 1" % (text, ", ".join(never)))
    return names


def bench_sync(opts, cpu_counts, rounds):
    plat = check_options(opts, cpu_counts)
    known = known_figures()
    only = wanted(known, opts.only, cpu_counts)
    bench = Bench(opts, plat, known)
    bench.series(cpu_counts, only, rounds)
    if opts.format == "table":
        table(bench)
    elif opts.format == "tsv":
        console.out(tsv(bench))
    else:
        console.out(json.dumps(report(bench), indent=1))
    if opts.output is not None:
        images.write_file(os.path.join(opts.output, "results.tsv"), (tsv(bench) + "\n").encode())
        images.write_file(os.path.join(opts.output, "results.json"), (json.dumps(report(bench), indent=1) + "\n").encode())
    return 1 if bench.failures else 0
