# SPDX-License-Identifier: BSD-3-Clause
"""`tutti run`, `debug`, `build`, `list` and `clean`."""

import os
import shlex
import signal

from . import console, cpio, guest, host, images, lockstat, options, qemu, replay
from .console import Failure
from .elf import Elf
from .options import LATER, Option
from .symbolize import Symbolizer

BUILD_CHOICES = [
    Option("--plat", "value", "NAME", "vm (default) or host: a Linux process"),
    Option("--check", "value", "KIND", "race, memory or undefined: report such errors (on host)"),
    Option("--alloc-src", "list", "NAME=DIR", "take an allocator's source from a folder"),
    Option("--config", "value", "NAME", "a configuration from configs/", "default"),
]

# Options of all commands that start images. What belongs to one platform has no default here, so that it can be refused on the other.
MACHINE_OPTIONS = [
    Option("-m --memory", "value", "SIZE", "memory, K M or G (256M)", "256M"),
    Option("--sched", "value", "MODE", "preempt (default) or coop"),
    Option("--plat", "value", "NAME", "vm (default) or host: a Linux process"),
    Option("--machine", "value", "NAME", "vm: microvm (default) or q35"),
    Option("--accel", "value", "NAME", "vm: auto (default), kvm or tcg"),
    Option("--pin", "flag", "", "host: each virtual CPU stays on one of the computer's"),
    Option("--alloc-src", "list", "NAME=DIR", "take an allocator's source from a folder"),
    Option("--config", "value", "NAME", "a configuration from configs/", "default"),
    Option("-e --env", "list", "K=V", "a variable of the program's environment"),
]

RUN_OPTIONS = [
    Option("-c --cpus", "value", "N", "virtual CPUs, 1 to 64 (2)", "2"),
    Option("--alloc", "value", "NAME", "allocator (mimalloc)"),
] + MACHINE_OPTIONS + [
    Option("--timeout", "value", "S", "end the run after S seconds: exit status 124"),
    Option("--files", "value", "DIR", "the read-only file tree that the program sees"),
    Option("--append", "list", "KEY=VALUE", "a further kernel key"),
    Option("--check", "value", "KIND", "race, memory or undefined: report such errors (on host)"),
    Option("--lockstat", "flag", "", "show how often locks were taken, waited for, and where"),
] + replay.OPTIONS + [
    Option("--verbose", "flag", "", "show the kernel's log"),
    Option("--dry-run", "flag", "", "print the command line that would start it, and stop"),
    Option("-h --help", "flag", "", "this text"),
    Option("-p --publish", LATER), Option("-v --volume", LATER),
]

RUN_USAGE = """usage: ./tutti run APP|IMAGE|FILE.c [options] [-- ARGS]

Runs an application, an image or a C file: as a virtual machine, or with --plat host as a Linux process. What follows `--` are the
program's own arguments.

%s

exit status: the program's own; 2 usage, 124 time-out, 125 the machine died, 130 Ctrl-C, 134 crash""" % options.usage(RUN_OPTIONS)

DEBUG_USAGE = """usage: ./tutti debug APP|IMAGE|FILE.c --plat host [run's options] [-- ARGS]

Loads a host image into gdb, with what `tutti run` would start it with: say `run`, or `break main` first. SIGALRM, SIGURG, SIGSEGV and
SIGSYS are the timer, interrupts between CPUs, page faults and system-call instructions; gdb passes them on in silence."""


def check_platform(opts):
    """Settle opts.plat; refuse what does not go together."""
    if opts.plat is not None:
        options.choice(opts.plat, "--plat", images.PLATFORMS)
    check, replaying = getattr(opts, "check", None), getattr(opts, "replay", None) is not None
    if replaying and opts.plat == "vm":
        raise Failure("--replay needs --plat host: a virtual machine's schedule is not tutti's to choose")
    if replaying and check is not None:
        raise Failure("--replay and --check are different builds; one of them")
    if check is not None:
        options.choice(check, "--check", images.CHECKS)
        if opts.plat is not None and opts.plat not in images.check_platforms(check):
            raise Failure("--check %s works on --plat %s only" % (check, " ".join(images.check_platforms(check))))
    opts.plat = opts.plat or ("host" if replaying or check is not None else "vm")


def check_kernel(opts):
    """The kernel that opts ask for, after check_platform()."""
    opts.alloc_src = images.parse_alloc_src(opts.alloc_src)
    check = "replay" if getattr(opts, "replay", None) is not None else getattr(opts, "check", None)
    return images.kernel(opts.config, opts.alloc_src, opts.plat, check)


def check_machine(opts, plats=None):
    """Turn the machine options into values; every mistake is one line. plats: the platforms, by default the one of opts.plat."""
    opts.memory = options.memory(opts.memory, "-m")
    if opts.sched is not None:
        options.choice(opts.sched, "--sched", ("preempt", "coop"))
    if plats is None:
        check_platform(opts)
    if opts.machine is not None:
        options.choice(opts.machine, "--machine", ("microvm", "q35"))
    if opts.accel is not None:
        options.choice(opts.accel, "--accel", ("auto", "kvm", "tcg"))
    check_machine_platform(opts, plats or (opts.plat,))
    opts.env = environment(opts.env)


def check_machine_platform(opts, plats):
    """What only one platform knows is refused where it is not used."""
    if "vm" not in plats:
        for name in ("machine", "accel"):
            if getattr(opts, name) is not None:
                raise Failure("--%s is for --plat vm: on host there is no machine" % name)
    else:
        opts.machine = opts.machine or "microvm"
        opts.accel = qemu.choose_accel(opts.accel or "auto")
    if opts.pin and "host" not in plats:
        raise Failure("--pin is for --plat host")


def environment(items):
    """`K=V` as it is; a bare `K` takes the tool's own value, as with docker; the last of several for one name counts."""
    env = {}
    for item in items:
        name, sign, _ = item.partition("=")
        if not name:
            raise Failure("-e %s: K=V is wanted" % item)
        if sign:
            env[name] = os.fsencode(item)
        elif name in os.environ:
            env[name] = os.fsencode("%s=%s" % (name, os.environ[name]))
    return list(env.values())


def check_alloc(name, known):
    if name not in known:
        raise Failure("--alloc %s: there is no such allocator; there are: %s" % (name, " ".join(known)))
    return name


def check_room(image, memory, archive, name):
    """A machine that cannot even hold the image does not start."""
    need = (Elf(image).phys_top + len(archive) + (1 << 12) - 1) & ~((1 << 12) - 1)
    if memory < need:
        raise Failure("-m %s is too little: %s alone takes %d KiB" % (options.size_text(memory), name, (need + 1023) >> 10))


class Launch:
    """All that a run needs, from the words of the command line."""

    def __init__(self, words, command):
        opts = self.opts = options.parse(words, RUN_OPTIONS, command)
        if opts.help:
            return
        if len(opts.names) != 1:
            raise Failure("%s: one APP, IMAGE or FILE.c is wanted; see: ./tutti %s --help" % (command, command) if not opts.names else
                          "%s: %s: only one name; the program's own arguments come after --" % (command, " ".join(opts.names[1:])))
        self.cpus = options.cpus(opts.cpus, "-c")
        self.timeout = options.seconds(opts.timeout) if opts.timeout is not None else None
        replay.check(opts)
        asked = opts.plat
        check_machine(opts)
        for key in opts.append:
            if not key or " " in key:
                raise Failure("--append %s: one kernel key, KEY=VALUE, is wanted" % key)
            if key.startswith("tutti.replay=") and opts.replay is not None:
                raise Failure("--append %s: --replay, --strategy and --depth say that" % key)
        if opts.files is not None and not os.path.isdir(opts.files):
            raise Failure("--files %s: there is no such folder" % opts.files)
        if opts.alloc is not None and not opts.alloc_src and opts.config == "default":
            check_alloc(opts.alloc, images.ALLOCATORS)      # before anything is built
        if opts.lockstat:
            self.lockstat()
        self.target = images.find(opts.names[0])
        if isinstance(self.target, str):
            self.linked(asked)

    def lockstat(self):
        opts = self.opts
        if opts.replay is not None:
            raise Failure("--lockstat does not go with --replay: time is not real there")
        if opts.config not in ("default", lockstat.CONFIG):
            raise Failure("--lockstat and --config %s are different builds; one of them" % opts.config)
        opts.config = lockstat.CONFIG

    def linked(self, asked):
        """An image has been built for one platform already, in one way."""
        opts, name = self.opts, self.opts.names[0]
        plat = images.image_platform(self.target)
        if opts.alloc_src or opts.check is not None or opts.lockstat:
            raise Failure("--%s: %s is linked already; an application or a C file is wanted"
                          % ("alloc-src" if opts.alloc_src else "check" if opts.check is not None else "lockstat", name))
        if asked is None and opts.plat != plat and opts.replay is None:
            opts.plat = plat
            if opts.machine == "microvm":
                opts.machine = opts.accel = None
            check_machine_platform(opts, (plat,))
        if opts.plat != plat:
            raise Failure("%s is an image for --plat %s" % (name, plat))

    def build(self):
        """Make the image; fills in what comes from the program."""
        opts, target = self.opts, self.target
        args, files = opts.args, opts.files
        if isinstance(target, str):
            self.image, self.name, self.alloc = target, os.path.basename(target), opts.alloc
        else:
            kern = check_kernel(opts)
            if opts.alloc is not None:
                check_alloc(opts.alloc, kern.allocators)
            self.image, self.name = images.build(target, kern), target.name
            self.alloc = opts.alloc or kern.default_alloc()
            if args is None:
                args = [os.fsencode(arg) for arg in target.args]
            files = files or target.files
        self.argv = [os.fsencode(self.name)] + (args or [])
        if opts.plat == "vm":
            self.archive = cpio.archive(self.argv, opts.env, files)
            check_room(self.image, opts.memory, self.archive, self.name)
        else:
            self.archive = cpio.files(files)

    def spec(self, schedule=None):
        opts = self.opts
        if opts.plat == "vm":
            return qemu.Spec(self.image, self.cpus, opts.memory, self.alloc, opts.sched, opts.machine, opts.accel, verbose=opts.verbose,
                             extra=opts.append, name=self.name)
        return host.Spec(self.image, self.cpus, opts.memory, self.alloc, opts.sched, opts.pin, schedule, opts.verbose, opts.append,
                         self.name)

    def run(self, schedule=None, stdin=0, stdout=1, stderr=2, timeout=None, watcher=None):
        timeout = timeout or self.timeout
        if self.opts.plat == "vm":
            return qemu.run(self.spec(), self.archive, stdin, stdout, stderr, timeout, watcher)
        return host.run(self.spec(schedule), self.argv, self.opts.env, self.archive, stdin, stdout, stderr, timeout, watcher)

    def reporter(self):
        symbolizer = Symbolizer(self.image, images.ROOT)
        return guest.Reporter(symbolizer, self.opts.verbose, lockstat.Table(symbolizer) if self.opts.lockstat else None)


def command_run(words):
    launch = Launch(words, "run")
    opts = launch.opts
    if opts.help:
        console.out(RUN_USAGE)
        return 0
    launch.build()
    if opts.dry_run:
        return dry_run(launch)
    console.wipe()
    if opts.replay is not None:
        return replay.run(launch, words)
    reporter = launch.reporter()
    result = launch.run(watcher=reporter)
    if reporter.table is not None:
        reporter.table.tell()
    return tell(result, opts.verbose)


def tell(result, verbose=False):
    """What the user is told of a run's end; returns the exit status."""
    if result.closed_output:
        # As any program whose reader went away.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    if verbose:
        for line in result.errors.splitlines():
            console.say(line)
    if result.reason:
        console.say(result.reason)
    return result.status


def dry_run(launch):
    """The same run for a shell: standard streams as they are, the control channel on standard error, input unframed."""
    folder = os.path.join(images.BUILD, "dry-run")
    path = os.path.join(folder, launch.name + ".cpio")
    schedule = replay.first_schedule(launch.opts)
    replay.refuse_list(launch.opts, "--dry-run")
    if launch.archive is not None:
        os.makedirs(folder, exist_ok=True)
        images.write_file(path, launch.archive)
    if launch.opts.plat == "host":
        console.out(host.shell_line(launch.spec(schedule), launch.argv, launch.opts.env, path if launch.archive is not None else None))
        return 0
    command = launch.spec().command("stdio,signal=off", "file,path=/dev/stderr,append=on", "file,path=/dev/stderr,append=on", path,
                                    framed=False)
    console.out(" ".join(shlex.quote(word) for word in command))
    return 0


def command_debug(words):
    if set(words) & {"-h", "--help"}:
        console.out(DEBUG_USAGE)
        return 0
    launch = Launch(words, "debug")
    if launch.opts.plat == "vm":
        raise Failure("debug on --plat vm comes with a later release; it works with --plat host")
    replay.refuse_list(launch.opts, "debug")
    launch.build()
    console.wipe()
    debug = launch.image + ".debug"
    files = host.unnamed(launch.archive, "files") if launch.archive is not None else None
    if files is not None:
        os.set_inheritable(files, True)
    host.debugger(launch.spec(replay.first_schedule(launch.opts)), launch.argv, launch.opts.env, files,
                  debug if os.path.exists(debug) else launch.image)


# ---- build, list, clean ----------------------------------------------------------------------------------------------

BUILD_OPTIONS = [
    Option("-o --output", "value", "IMAGE", "where to put it (build/CONFIG/images/APP)"),
] + BUILD_CHOICES + [
    Option("-h --help", "flag", "", "this text"),
]


def command_build(words):
    opts = options.parse(words, BUILD_OPTIONS, "build")
    if opts.help:
        console.out("usage: ./tutti build APP|FILE.c [-o IMAGE]\n\nBuilds an image, bootable or with --plat host a Linux program, and "
                    "prints where it is.\n\n%s" % options.usage(BUILD_OPTIONS))
        return 0
    if len(opts.names) != 1:
        raise Failure("build: one APP or FILE.c is wanted")
    target = images.find(opts.names[0])
    if isinstance(target, str):
        raise Failure("build: %s is an image already" % opts.names[0])
    if opts.output is not None and os.path.isdir(opts.output):
        opts.output = os.path.join(opts.output, target.name)
    if opts.output is not None and not os.path.isdir(os.path.dirname(os.path.abspath(opts.output))):
        raise Failure("build: -o %s: there is no such folder" % opts.output)
    check_platform(opts)
    image = images.build(target, check_kernel(opts))
    if opts.output is not None:
        images.copy_image(image, opts.output)
        image = opts.output
    console.out(os.path.relpath(image))
    return 0


def test_names():
    from . import testrun
    return testrun.names()


def command_list(words):
    opts = options.parse(words, [Option("-h --help", "flag")], "list")
    if opts.help:
        console.out("usage: ./tutti list [apps|benchmarks|allocators|configs|tests]")
        return 0
    tables = {
        "apps": lambda: [(name, app.about) for name, app in images.applications().items()],
        "benchmarks": lambda: [(name, app.about) for name, app in images.benchmarks().items()],
        "allocators": lambda: [(name, images.ABOUT_ALLOCATORS.get(name, "")) for name in images.ALLOCATORS],
        "configs": lambda: [(name, "") for name in images.configs()],
        "tests": lambda: [(name, "") for name in test_names()],
    }
    for wish in opts.names:
        if wish not in tables:
            raise Failure("list: %s: one of %s is wanted" % (wish, " ".join(tables)))
    for kind in opts.names or tables:
        if len(opts.names) != 1:
            console.out("%s:" % kind)
        indent = "" if len(opts.names) == 1 else "  "
        for name, about in tables[kind]():
            console.out((indent + ("%-20s %s" % (name, about) if about else name)).rstrip())
    return 0


def command_clean(words):
    opts = options.parse(words, [Option("-h --help", "flag")], "clean")
    if opts.help:
        console.out("usage: ./tutti clean\n\nRemoves build/; fetched sources in dl/ stay.")
        return 0
    if opts.names:
        raise Failure("clean takes no names")
    images.clean()
    return 0
