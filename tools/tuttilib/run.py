# SPDX-License-Identifier: BSD-3-Clause
"""`tutti run`, `build`, `list` and `clean`."""

import os
import shlex
import signal

from . import console, cpio, images, options, qemu
from .console import Failure
from .elf import Elf
from .options import LATER, Option
from .symbolize import Symbolizer

MACHINE_OPTIONS = [
    Option("-m --memory", "value", "SIZE", "memory, K M or G (256M)", "256M"),
    Option("--sched", "value", "MODE", "preempt (default) or coop"),
    Option("--plat", "value", "NAME", "vm (default)", "vm"),
    Option("--machine", "value", "NAME", "microvm (default) or q35", "microvm"),
    Option("--accel", "value", "NAME", "auto (default), kvm or tcg", "auto"),
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
    Option("--verbose", "flag", "", "show the kernel's log"),
    Option("--dry-run", "flag", "", "print QEMU's command line and stop"),
    Option("-h --help", "flag", "", "this text"),
    Option("-p --publish", LATER), Option("-v --volume", LATER),
]

RUN_USAGE = """usage: ./tutti run APP|IMAGE|FILE.c [options] [-- ARGS]

Boots an application, an image or a C file as a virtual machine. What follows `--` are the program's own arguments.

%s

exit status: the program's own; 2 usage, 124 time-out, 125 the machine died, 130 Ctrl-C, 134 crash""" % options.usage(RUN_OPTIONS)


def check_machine(opts):
    """Turn the machine options into values; every mistake is one line."""
    opts.memory = options.memory(opts.memory, "-m")
    if opts.sched is not None:
        options.choice(opts.sched, "--sched", ("preempt", "coop"))
    options.platform(opts.plat)
    options.choice(opts.machine, "--machine", ("microvm", "q35"))
    options.choice(opts.accel, "--accel", ("auto", "kvm", "tcg"))
    opts.accel = qemu.choose_accel(opts.accel)
    opts.alloc_src = images.parse_alloc_src(opts.alloc_src)
    opts.env = environment(opts.env)


def environment(items):
    """`K=V` as it is; a bare `K` takes the tool's own value, as with docker."""
    env = []
    for item in items:
        name, sign, _ = item.partition("=")
        if not name:
            raise Failure("-e %s: K=V is wanted" % item)
        if sign:
            env.append(os.fsencode(item))
        elif name in os.environ:
            env.append(os.fsencode("%s=%s" % (name, os.environ[name])))
    return env


def check_alloc(name, known):
    if name not in known:
        raise Failure("--alloc %s: there is no such allocator; there are: %s" % (name, " ".join(known)))
    return name


def check_room(image, memory, archive, name):
    """A machine that cannot even hold the image does not start."""
    need = (Elf(image).phys_top + len(archive) + (1 << 12) - 1) & ~((1 << 12) - 1)
    if memory < need:
        raise Failure("-m %s is too little: %s alone takes %d KiB" % (options.size_text(memory), name, (need + 1023) >> 10))


def command_run(words):
    opts = options.parse(words, RUN_OPTIONS, "run")
    if opts.help:
        console.out(RUN_USAGE)
        return 0
    if len(opts.names) != 1:
        raise Failure("run: one APP, IMAGE or FILE.c is wanted; see: ./tutti run --help" if not opts.names else
                      "run: %s: only one name; the program's own arguments come after --" % " ".join(opts.names[1:]))
    cpu_count = options.cpus(opts.cpus, "-c")
    timeout = options.seconds(opts.timeout) if opts.timeout is not None else None
    check_machine(opts)
    for key in opts.append:
        if not key or " " in key:
            raise Failure("--append %s: one kernel key, KEY=VALUE, is wanted" % key)
    if opts.files is not None and not os.path.isdir(opts.files):
        raise Failure("--files %s: there is no such folder" % opts.files)
    if opts.alloc is not None and not opts.alloc_src and opts.config == "default":
        check_alloc(opts.alloc, images.ALLOCATORS)      # before anything is built

    target = images.find(opts.names[0])
    args, files = opts.args, opts.files
    if isinstance(target, str):
        if opts.alloc_src:
            raise Failure("--alloc-src: %s is linked already; an application or a C file is wanted" % opts.names[0])
        image, name, alloc = target, os.path.basename(target), opts.alloc
    else:
        kern = images.kernel(opts.config, opts.alloc_src)
        if opts.alloc is not None:
            check_alloc(opts.alloc, kern.allocators)
        image, name = images.build(target, kern), target.name
        alloc = opts.alloc or kern.default_alloc()
        if args is None:
            args = [os.fsencode(arg) for arg in target.args]
        files = files or target.files
    archive = cpio.archive([os.fsencode(name)] + (args or []), opts.env, files)
    check_room(image, opts.memory, archive, name)
    spec = qemu.Spec(image, cpu_count, opts.memory, alloc, opts.sched, opts.machine, opts.accel, verbose=opts.verbose,
                     extra=opts.append, name=name)
    if opts.dry_run:
        return dry_run(spec, archive)

    console.wipe()
    reporter = qemu.Reporter(Symbolizer(image, images.ROOT), opts.verbose)
    result = qemu.run(spec, archive, stdin=0, stdout=1, stderr=2, timeout=timeout, watcher=reporter)
    if result.closed_output:
        # As any program whose reader went away.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    if opts.verbose:
        for line in result.errors.splitlines():
            console.say(line)
    if result.reason:
        console.say(result.reason)
    return result.status


def dry_run(spec, archive):
    """The same machine for a shell: standard streams as they are, the control channel on standard error, input unframed."""
    folder = os.path.join(images.BUILD, "dry-run")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, spec.name + ".cpio")
    images.write_file(path, archive)
    command = spec.command("stdio,signal=off", "file,path=/dev/stderr,append=on", "file,path=/dev/stderr,append=on", path, framed=False)
    console.out(" ".join(shlex.quote(word) for word in command))
    return 0


# ---- build, list, clean ----------------------------------------------------------------------------------------------

BUILD_OPTIONS = [
    Option("-o --output", "value", "IMAGE", "where to put it (build/CONFIG/images/APP)"),
    Option("--alloc-src", "list", "NAME=DIR", "take an allocator's source from a folder"),
    Option("--config", "value", "NAME", "a configuration from configs/", "default"),
    Option("-h --help", "flag", "", "this text"),
]


def command_build(words):
    opts = options.parse(words, BUILD_OPTIONS, "build")
    if opts.help:
        console.out("usage: ./tutti build APP|FILE.c [-o IMAGE]\n\nBuilds a bootable image and prints where it is.\n\n%s"
                    % options.usage(BUILD_OPTIONS))
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
    kern = images.kernel(opts.config, images.parse_alloc_src(opts.alloc_src))
    image = images.build(target, kern)
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
