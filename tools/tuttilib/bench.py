# SPDX-License-Identifier: BSD-3-Clause
"""`tutti bench`: what an allocator costs, measured the same way for each.

Every run is a fresh machine or process. All combinations of platform, allocator, CPUs and threads take turns, at least three rounds, so
that whatever else the computer does meets all of them; the best run of each is kept. A speed-up is against one CPU and one thread of
the same platform and allocator, which runs without being asked for; its machine may have two CPUs and has one, because with one
possible CPU the emulator drops atomic instructions. With `--vs native` the same sources run as an ordinary Linux program in between,
and a ratio says how fast each row is against it.

A benchmark program prints `@start` when the measured part begins, `@cpus 0,1` (where its threads ran) and
`@result ops=N seconds=S peak_bytes=B check=ok`. For any other program the time is from the kernel's first line to its last.

Between the two moments the CPU time of QEMU's threads, or of the process's, is taken. Of the virtual CPUs on which the program's threads
ran, as many as can be busy at once should have had a whole core each. Less than 90 %: the row is marked, `*` if the host's other
work took the time, `~` if the guest's CPU was idle (threads that wait for each other). Of a Linux program's threads, which come and
go, only the sum is known.
"""

import json
import os
import re
import sys
import time

from . import console, cpio, guest, host, images, native, options, qemu
from .console import Failure, progress, say
from .options import Option
from .run import MACHINE_OPTIONS, check_alloc, check_machine, check_room
from .symbolize import Symbolizer

COLUMNS = ("benchmark", "allocator", "plat", "cpus", "threads", "ops", "seconds", "ops_per_s", "speedup", "peak_bytes")
FULL_SHARE = 0.9
BAR = 24
RESULT = re.compile(r"^@result\b(.*)$", re.M)
CPUS = re.compile(r"^@cpus\s+([\d,]+)\s*$", re.M)

BENCH_OPTIONS = [
    Option("--alloc", "value", "A,B", "allocators, or `all` (buddy,mallocng,mimalloc)"),
    Option("-c --cpus", "value", "1,2", "numbers of virtual CPUs (1,2)", "1,2"),
    Option("--threads", "value", "1,2,4", "numbers of threads, of the built-in benchmarks (1,2,4)"),
    Option("--rounds", "value", "N", "runs of each, the best is kept; at least 1 (3)", "3"),
    Option("--scale", "value", "F", "multiplies the work of the built-in benchmarks"),
    Option("--format", "value", "NAME", "table (default), tsv or json", "table"),
    Option("-o --output", "value", "DIR", "write results.tsv and results.json there too"),
    Option("--timeout", "value", "S", "for each run (120)", "120"),
    Option("--plat", "value", "NAME,…", "vm (default), host, or both"),
    Option("--vs", "value", "NAME", "native: the same sources as a Linux program, in the same run; sync: or linux, a guest"),
    Option("--only", "value", "A,B", "sync: these figures alone"),
    Option("--linux-append", "list", "WORD", "sync --vs linux: a word for that kernel's command line"),
] + [option for option in MACHINE_OPTIONS if option.dest not in ("memory", "plat")] + [
    Option("-m --memory", "value", "SIZE", "memory, K M or G (1G)", "1G"),
    Option("-h --help", "flag", "", "this text"),
]

USAGE = """usage: ./tutti bench [NAME…|all|boot|sync|FILE.c|APP] [options] [-- ARGS]

Runs benchmarks, or your own program, on each allocator and number of CPUs in a fresh machine (or process), and shows the best of
several interleaved runs. `./tutti list benchmarks` names them; with no name all of them run. `bench boot` measures the
way to `main` next to the smallest image there can be. `bench sync` measures locks, switches, wake-ups, threads and timers, with
--vs native next to Linux programs, with --vs linux next to a Linux guest on the same emulator.

%s""" % options.usage(BENCH_OPTIONS)


class Row:
    """One measurement: a combination and its best run."""

    def __init__(self, name, own, plat, alloc, cpus, threads, hidden=False):
        self.name, self.own, self.plat, self.alloc, self.cpus, self.threads = name, own, plat, alloc, cpus, threads
        self.hidden = hidden            # a base line that nobody asked for
        self.best, self.runs, self.failure = None, [], None
        self.base = self.native = None

    def label(self):
        text = "%s %s%s, %d CPU%s" % (self.name, self.alloc, "" if self.plat == "vm" else " " + self.plat, self.cpus, "s" * (self.cpus > 1))
        return text if self.own else text + ", %d thread%s" % (self.threads, "s" * (self.threads > 1))

    def add(self, run):
        self.runs.append(run)
        if run.get("failure"):
            self.failure = run["failure"]
        elif self.best is None or better(run, self.best):
            self.best = run

    def speedup(self):
        return self.against(self.base)

    def ratio(self):
        """Speed against the same sources as a Linux program."""
        return self.against(self.native)

    def against(self, other):
        if self.best is None or other is None or other.best is None:
            return None
        if self.own:
            return other.best["seconds"] / self.best["seconds"] if self.best["seconds"] else None
        return self.best["ops_per_s"] / other.best["ops_per_s"] if other.best["ops_per_s"] else None

    def tsv(self, ratio=False):
        best = self.best or {}
        return "\t".join((self.name, self.alloc, self.plat, str(self.cpus), "" if self.threads is None else str(self.threads),
                          plain(best.get("ops")), plain(best.get("seconds"), "%.6f"), plain(best.get("ops_per_s"), "%.1f"),
                          plain(self.speedup(), "%.3f"), plain(best.get("peak_bytes")))
                         + ((plain(self.ratio(), "%.3f"),) if ratio else ()))

    def facts(self):
        best = self.best or {}
        return {"benchmark": self.name, "allocator": self.alloc, "plat": self.plat, "cpus": self.cpus, "threads": self.threads,
                "ops": best.get("ops"), "seconds": best.get("seconds"), "ops_per_s": best.get("ops_per_s"),
                "speedup": self.speedup(), "vs_native": self.ratio(), "peak_bytes": best.get("peak_bytes"), "status": best.get("status"),
                "cpus_used": best.get("cpus_used"), "core_share": best.get("share"), "host_wait": best.get("wait"),
                "mark": best.get("mark", ""), "failure": self.failure,
                "runs": [{key: run.get(key) for key in ("seconds", "ops_per_s", "share", "mark", "failure")} for run in self.runs]}


def plain(value, form="%d"):
    return "" if value is None else form % value


def better(run, old):
    if run.get("ops_per_s") and old.get("ops_per_s"):
        return run["ops_per_s"] > old["ops_per_s"]
    return run["seconds"] < old["seconds"]


# ---- one run ---------------------------------------------------------------------------------------------------------

def vcpu_threads(pid):
    """CPU number -> thread of each of QEMU's virtual CPUs."""
    threads = {}
    folder = "/proc/%d/task" % pid
    try:
        tasks = os.listdir(folder)
    except OSError:
        return threads
    for task in tasks:
        try:
            with open("%s/%s/comm" % (folder, task)) as file:
                match = re.match(r"CPU (\d+)/", file.read())
            if match:
                threads[int(match.group(1))] = int(task)
        except (OSError, ValueError):
            continue        # QEMU's worker threads come and go
    return threads


def vcpu_times(pid):
    """CPU number -> (ns run, ns waited for a core) of each of QEMU's virtual CPU threads."""
    times = {}
    for cpu, task in vcpu_threads(pid).items():
        try:
            with open("/proc/%d/task/%d/schedstat" % (pid, task)) as file:
                run, wait = file.read().split()[:2]
            times[cpu] = (int(run), int(wait))
        except (OSError, ValueError):
            continue
    return times


def thread_times(pid):
    """The same of a host image's threads, which are its virtual CPUs; they start in this order and live to the end."""
    times = {}
    try:
        tasks = sorted(int(task) for task in os.listdir("/proc/%d/task" % pid))
    except OSError:
        return times
    for number, task in enumerate(tasks):
        try:
            with open("/proc/%d/task/%d/schedstat" % (pid, task)) as file:
                run, wait = file.read().split()[:2]
            times[number] = (int(run), int(wait))
        except (OSError, ValueError):
            continue
    return times


def process_times(pid):
    """The CPU time of a whole process with the threads that have ended; of their waiting nothing is known."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            fields = file.read().rpartition(")")[2].split()
        return {0: ((int(fields[11]) + int(fields[12])) * 1000000000 // os.sysconf("SC_CLK_TCK"), 0)}
    except (OSError, IndexError, ValueError):
        return {}


class Sampler(guest.Collector):
    """Takes the CPU times at the start and the end of the measured part."""

    TIMES = {"vm": vcpu_times, "host": thread_times, "native": process_times}

    def __init__(self, symbolizer, own, plat):
        super().__init__(symbolizer)
        self.own, self.plat, self.text = own, plat, ""
        self.first = self.last = None

    def control(self, kind, text, result):
        super().control(kind, text, result)
        if self.own and kind == "R" and self.pid:
            self.first = self.sample()
        elif self.own and kind in ("P", "E") and self.pid and (self.last is None or kind == "P"):
            self.last = self.sample()

    def stdout(self, data):
        if self.own:
            return
        self.text += data.decode("utf-8", "replace")
        if self.first is None and re.search(r"^@start\b.*\n", self.text, re.M):
            self.first = self.sample()
        if self.last is None and ("\n@cpus" in self.text or "\n@result" in self.text):
            self.last = self.sample()

    def sample(self):
        return time.monotonic(), self.TIMES[self.plat](self.pid)

    def shares(self, used, busy):
        """(smallest share of a core, largest share of the time spent waiting for one) among the `busy` busiest CPUs of `used`."""
        if not self.first or not self.last:
            return None, None
        elapsed = (self.last[0] - self.first[0]) * 1e9
        if elapsed < 20e6:
            return None, None           # too short to tell
        if self.plat == "native":
            if 0 not in self.first[1] or 0 not in self.last[1]:
                return None, None
            return (self.last[1][0][0] - self.first[1][0][0]) / elapsed / busy, None
        found = []
        for cpu in used if used is not None else self.last[1]:
            if cpu in self.first[1] and cpu in self.last[1]:
                run, wait = (new - old for new, old in zip(self.last[1][cpu], self.first[1][cpu]))
                found.append((run / elapsed, wait / elapsed))
        found = sorted(found, reverse=True)[:busy]
        if not found:
            return None, None
        return min(run for run, _ in found), max(wait for _, wait in found)


def measure(image, row, opts, args, env, files, stop=None):
    """One fresh machine; a dictionary of what came of it."""
    argv = [os.fsencode(row.name)] + args
    sampler = Sampler(Symbolizer(image, images.ROOT), row.own, row.plat)
    if row.plat == "vm":
        archive = cpio.archive(argv, env, files)
        check_room(image, opts.memory, archive, row.name)
        spec = qemu.Spec(image, row.cpus, opts.memory, row.alloc, opts.sched, opts.machine, opts.accel, one_of_two=True, name=row.name)
        result = qemu.run(spec, archive, timeout=opts.timeout, watcher=sampler, stop=stop)
    elif row.plat == "host":
        spec = host.Spec(image, row.cpus, opts.memory, row.alloc, opts.sched, opts.pin, name=row.name)
        result = host.run(spec, argv, env, cpio.files(files), timeout=opts.timeout, watcher=sampler, stop=stop)
    else:
        spec = native.Spec(image, row.name, row.cpus, row.threads)
        if row.own:
            sampler.first = None        # all of a foreign program's life is measured
        result = native.run(spec, argv, env, opts.timeout, sampler, stop)
    run = {"status": result.status, "peak_bytes": result.peak, "failure": None, "mark": ""}
    text = result.stdout.decode("utf-8", "replace")
    used = CPUS.search(text)
    used = [int(cpu) for cpu in used.group(1).split(",") if cpu] if used else None
    last_words = [line for line in sampler.lines + result.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    if row.own:
        run["seconds"] = result.guest_seconds()
        if result.reason or run["seconds"] is None or result.boot_errors:
            run["failure"] = result.reason or (last_words or ["no status"])[-1]
        busy = row.cpus
    else:
        match = RESULT.search(text)
        facts = dict(word.split("=", 1) for word in match.group(1).split() if "=" in word) if match else {}
        try:
            run["ops"], run["seconds"] = int(facts["ops"]), float(facts["seconds"])
            run["ops_per_s"] = run["ops"] / run["seconds"]
            if facts.get("peak_bytes", "").isdigit():
                run["peak_bytes"] = int(facts["peak_bytes"])
        except (KeyError, ValueError, ZeroDivisionError):
            facts = {}
        if result.reason:
            run["failure"] = result.reason
        elif facts.get("check") == "failed" or facts and facts.get("check") != "ok":
            run["failure"] = "the program's check of its own result failed"
        elif result.status or not facts:
            run["failure"] = "exit status %d%s" % (result.status, ": " + last_words[-1] if last_words else ", no result")
        busy = min(row.cpus, row.threads)
    run["cpus_used"] = used
    run["share"], run["wait"] = sampler.shares(used, busy)
    if run["share"] is not None and run["share"] < FULL_SHARE and not row.own:
        run["mark"] = "*" if run["wait"] is None or run["wait"] >= (1 - run["share"]) / 2 else "~"
    elif row.own and run["wait"] is not None and run["wait"] > 1 - FULL_SHARE:
        run["mark"] = "*"               # your own program may be idle as it likes
    run["log"] = last_words
    return run


# ---- output ----------------------------------------------------------------------------------------------------------

def quantity(value):
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= limit:
            return "%.2f%s" % (value / limit, unit)
    return "%.1f  " % value


def size(value):
    if value is None:
        return ""
    for limit, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= limit:
            return "%.1f %s" % (value / limit, unit)
    return "%d B" % value


class Table:
    """For people. A bar is the row's speed against the fastest row known so far of its benchmark."""

    def __init__(self, machine, plats, ratio):
        self.machine, self.marks, self.name = machine, set(), None
        self.plats, self.ratio = plats, ratio       # have columns of their own only where there is something to tell apart
        encoding = (sys.stdout.encoding or "ascii").lower()
        self.block = "█" if encoding.startswith("utf") else "#"

    def who(self, row, alloc, plat, cpus, threads):
        text = "%-10s" % alloc + (" %-6s" % plat if self.plats else "") + " %4s" % cpus
        return text + ("" if row.own else " %7s" % threads)

    def header(self, row, about):
        console.out("%s%s%s  [%s]" % ("\n" if self.name else "", row.name, ": " + about if about else "", self.machine))
        self.name = row.name
        text = self.who(row, "allocator", "plat", "cpus", "threads")
        text += " %9s %8s" % ("seconds", "speed-up") if row.own else " %10s %9s %8s" % ("ops/s", "seconds", "speed-up")
        text += " %8s" % "/native" if self.ratio else ""
        console.out(text + " %10s" % "peak" + ("  %-6s" % "status" if row.own else ""))

    def row(self, row, fastest, about=""):
        if self.name != row.name:
            self.header(row, about)
        best = row.best
        text = self.who(row, row.alloc, row.plat, row.cpus, row.threads)
        if best is None:
            console.out("%s   failed: %s" % (text, row.failure))
            return
        mark = best["mark"] or " "
        if best["mark"]:
            self.marks.add(best["mark"])
        if row.own:
            speed = 1 / best["seconds"] if best["seconds"] else 0
            text += " %9.3f%s" % (best["seconds"], mark)
        else:
            speed = best["ops_per_s"]
            text += " %10s%s%9.3f " % (quantity(speed), mark, best["seconds"])
        text += "%8s" % plain(row.speedup(), "%.2f") + (" %8s" % plain(row.ratio(), "%.2f") if self.ratio else "")
        text += " %10s" % size(best["peak_bytes"]) + ("  %-6d" % best["status"] if row.own else "")
        length = int(round(BAR * min(1.0, speed / fastest))) if fastest else 0
        console.out(("%s  %s" % (text, self.block * max(length, 1))).rstrip())
        if row.failure:
            console.out("           (one of its runs failed: %s)" % row.failure)

    def end(self):
        notes = {"*": "* a virtual CPU got less than 90 % of a core: other work on this computer took the rest",
                 "~": "~ a virtual CPU was idle for more than 10 % of the time: its threads waited for each other"}
        for mark in sorted(self.marks):
            console.out(notes[mark])


def machine_text(accel, plats=("vm",)):
    count = os.cpu_count() or 1
    kinds = {"vm": "QEMU %s" % ("KVM" if accel == "kvm" else "TCG"), "host": "Linux process", "native": "Linux program"}
    return "%d CPU%s, %s" % (count, "s" * (count > 1), ", ".join(kinds[plat] for plat in plats))


# ---- command ---------------------------------------------------------------------------------------------------------

def plan(name, own, plats, allocs, cpu_counts, threads, with_native):
    """The combinations of one program, base lines first; asked for or not. A Linux program stands right before what it is compared with."""
    rows = []
    for alloc in allocs:
        linux = []
        for plat in (["native"] if with_native and alloc in native.ALLOCATORS else []) + plats:
            base = Row(name, own, plat, alloc, 1, None if own else 1, hidden=not (1 in cpu_counts and (own or 1 in threads)))
            mine = [base]
            for cpus in cpu_counts:
                for count in [None] if own else threads:
                    if (cpus, count) != (1, base.threads):
                        mine.append(Row(name, own, plat, alloc, cpus, count))
            for row in mine:
                row.base = base
                row.native = next((other for other in linux if (other.cpus, other.threads) == (row.cpus, row.threads)), None)
            if plat == "native":
                linux = mine
            rows += mine
    return rows


def parse_allocs(text, known):
    if text is None:
        return [name for name in known if name != "region"] or list(known)
    if text == "all":
        return list(known)
    return options.unique([check_alloc(name, known) for name in text.split(",")])


def check_options(opts):
    """The platforms and the machine's options."""
    if opts.vs is not None:
        options.choice(opts.vs, "--vs", ("native", "linux") if "sync" in opts.names else ("native",))
    opts.plats = options.platforms(opts.plat or ("host" if opts.vs == "native" else "vm"), images.PLATFORMS)
    check_machine(opts, opts.plats)
    opts.alloc_src = images.parse_alloc_src(opts.alloc_src)


def command_bench(words):
    opts = options.parse(words, BENCH_OPTIONS, "bench")
    if opts.help:
        console.out(USAGE)
        return 0
    cpu_counts = options.cpu_list(opts.cpus, "--cpus")
    threads = options.count_list(opts.threads or "1,2,4", "--threads", 256)
    rounds = options.count_list(opts.rounds, "--rounds", 1000)
    if len(rounds) != 1:
        raise Failure("--rounds %s: one number is wanted" % opts.rounds)
    rounds = rounds[0]
    options.choice(opts.format, "--format", ("table", "tsv", "json"))
    opts.timeout = options.seconds(opts.timeout)
    if opts.scale is not None:
        try:
            if not 0 < float(opts.scale) < 1e6:
                raise ValueError
        except ValueError:
            raise Failure("--scale %s: a number above 0 is wanted" % opts.scale)
    check_options(opts)
    if opts.alloc not in (None, "all") and opts.config == "default":
        for name in opts.alloc.split(","):
            check_alloc(name, images.ALLOCATORS)
    if opts.output is not None:
        try:
            os.makedirs(opts.output, exist_ok=True)
        except OSError as error:
            raise Failure("-o %s: %s" % (opts.output, error.strerror))

    if "boot" in opts.names:
        if opts.names != ["boot"]:
            raise Failure("bench boot: it runs alone, its table has other columns")
        from .bench_boot import bench_boot
        return bench_boot(opts, 15 if opts.rounds == "3" else rounds)

    if "sync" in opts.names:
        if opts.names != ["sync"]:
            raise Failure("bench sync: it runs alone, its table has other columns")
        from .bench_sync import bench_sync
        return bench_sync(opts, cpu_counts, rounds)
    for name in ("only", "linux_append"):
        if getattr(opts, name):
            raise Failure("--%s is for bench sync" % name.replace("_", "-"))

    built_in = images.benchmarks()
    names = []
    for name in opts.names or ["all"]:
        names += list(built_in) if name == "all" else [name]
    programs = []
    for name in options.unique(names):
        program = built_in.get(name) or images.find(name)
        if isinstance(program, str):
            raise Failure("bench: %s: a benchmark, an application or a C file is wanted" % name)
        programs.append((program, name not in built_in))
    if not programs:
        raise Failure("bench: there are no benchmarks")
    if opts.threads and all(own for _, own in programs):
        raise Failure("--threads: your own program takes its arguments after --")

    kernels = {plat: images.kernel(opts.config, opts.alloc_src, plat) for plat in opts.plats}
    kern = kernels[opts.plats[0]]
    allocs = parse_allocs(opts.alloc, kern.allocators)
    if opts.vs:
        lost = [name for name in allocs if name not in native.ALLOCATORS]
        if lost:
            say("--vs native: not for %s: only mimalloc can be built as a Linux program from the same source" % ", ".join(lost))
    work = []
    for program, own in programs:
        built = {plat: images.build(program, kernels[plat]) for plat in opts.plats}
        if opts.vs and set(allocs) & set(native.ALLOCATORS):
            built["native"] = native.build(program, kern, opts.alloc_src)
        work.append((program, own, built, plan(program.name, own, opts.plats, allocs, cpu_counts, threads, opts.vs is not None)))
    total = rounds * sum(len(rows) for _, _, _, rows in work)
    kinds = opts.plats + (["native"] if opts.vs else [])
    table = Table(machine_text(opts.accel, kinds), len(kinds) > 1, opts.vs) if opts.format == "table" else None
    columns = COLUMNS + (("vs_native",) if opts.vs else ())
    if opts.format == "tsv":
        console.out("\t".join(columns))
    shown, done = [], 0
    for program, own, built, rows in work:
        for number in range(rounds):
            for row in rows:
                done += 1
                progress("%s  (%d of %d)" % (row.label(), done, total))
                if not row.failure or row.best is not None or not number:   # what failed at once is not tried again
                    run = measure(built[row.plat], row, opts, arguments(program, own, row, opts), opts.env, program.files)
                    row.add(run)
                    if run["failure"]:
                        say("%s: %s" % (row.label(), run["failure"]))
                        for line in run["log"][-12:]:
                            say("  " + line)
                if number == rounds - 1 and not row.hidden:
                    shown.append(row)
                    show(row, rows, opts, table, program.about)
    console.wipe()
    if table:
        table.end()
    if opts.format == "json":
        console.out(json.dumps(report(shown, opts), indent=1))
    if opts.format != "table":
        for row in shown:
            if row.best and row.best["mark"]:
                say("%s: its virtual CPUs got %d %% of a core (%s)" % (
                    row.label(), round(100 * row.best["share"]),
                    "the host's other work" if row.best["mark"] == "*" else "idle: its threads waited"))
    if opts.output is not None:
        lines = ["\t".join(columns)] + [row.tsv(opts.vs is not None) for row in shown]
        images.write_file(os.path.join(opts.output, "results.tsv"), ("\n".join(lines) + "\n").encode())
        images.write_file(os.path.join(opts.output, "results.json"), (json.dumps(report(shown, opts), indent=1) + "\n").encode())
    return 1 if any(row.failure for _, _, _, rows in work for row in rows) else 0


def arguments(program, own, row, opts):
    if own:
        return list(opts.args) if opts.args is not None else [os.fsencode(arg) for arg in program.args]
    args = ["--threads", str(row.threads)] + (["--scale", opts.scale] if opts.scale else []) + program.args
    return [os.fsencode(arg) for arg in args] + list(opts.args or ())


def show(row, rows, opts, table, about):
    if opts.format == "tsv":
        console.out(row.tsv(opts.vs is not None))
    elif table:
        if row.own:
            speeds = [1 / other.best["seconds"] for other in rows if other.best and other.best["seconds"]]
        else:
            speeds = [other.best["ops_per_s"] for other in rows if other.best]
        table.row(row, max(speeds, default=0), about)


def report(rows, opts):
    try:
        load = os.getloadavg()
    except OSError:
        load = None
    return {"machine": machine_text(opts.accel, opts.plats), "load": load, "memory": opts.memory, "machine_type": opts.machine,
            "results": [row.facts() for row in rows]}
