# SPDX-License-Identifier: BSD-3-Clause
"""The same sources as an ordinary Linux program (`tutti bench --vs native`): the host's gcc and C library, tutti's optimization flags.

Of the allocators only mimalloc can be had there as the very same code: its one source file, compiled with its malloc override and linked
in. mallocng is a part of musl and takes its locks and its view of memory from it; what glibc calls malloc is another allocator.
With more threads than CPUs the process is bound to that many; otherwise it runs free, as an image on host does.
"""

import os

from . import host, images
from .guest import STATUS_DIED, STATUS_TIMEOUT

ALLOCATORS = ("mimalloc",)
OF_ANOTHER_LIBC = {"-nostdinc", "-mno-red-zone"}
FOLDER_FLAGS = {"-isystem", "-idirafter"}


def flags(kern):
    """An application's compiler flags without what makes it one of tutti's."""
    found, queue = [], list(kern.cflags)
    while queue:
        word = queue.pop(0)
        if word in FOLDER_FLAGS:
            queue.pop(0)
        elif word not in OF_ANOTHER_LIBC:
            found.append(word)
    return found


def allocator(alloc_src, kern):
    """(source, flags) of the allocator."""
    folder = alloc_src.get("mimalloc") or os.path.join(images.BUILD, "src", "mimalloc")
    return os.path.join(folder, "src", "static.c"), flags(kern) + [
        "-std=gnu11", "-pthread", "-w", "-DNDEBUG", "-DMI_MALLOC_OVERRIDE", "-fno-builtin-malloc", "-ftls-model=local-exec",
        "-I" + os.path.join(folder, "include")]


def build(program, kern, alloc_src):
    """The Linux program; returns its path."""
    folder = os.path.join(kern.folder, "native", program.name)
    output = os.path.join(folder, program.name)
    with images.build_lock():
        objects = []
        todo = [(source, flags(kern) + ["-pthread"] + program.cflags) for source in program.sources] + [allocator(alloc_src, kern)]
        for number, (source, words) in enumerate(todo):
            objects.append(os.path.join(folder, "obj", "%d.o" % number))
            images.compile_one("gcc", words, source, objects[-1])
        command = ["gcc", "-pthread"] + objects + program.ldflags + ["-lm"]

        def work():
            images._tool(command + ["-o", output + ".new"], "%s does not link as a Linux program" % program.name)
            os.rename(output + ".new", output)
            return objects

        images.step(output, command, objects, work)
    return output


COMPILERS = {"glibc": "gcc", "musl": "musl-gcc"}


def build_static(program, kern, libc):
    """The program, linked statically with that C library and with the allocator it brings; returns its path."""
    folder = os.path.join(kern.folder, "native-" + libc, program.name)
    output, cc = os.path.join(folder, program.name), COMPILERS[libc]
    with images.build_lock():
        objects = []
        for number, source in enumerate(program.sources):
            objects.append(os.path.join(folder, "obj", "%d.o" % number))
            images.compile_one(cc, flags(kern) + ["-pthread"] + program.cflags, source, objects[-1])
        command = [cc, "-static", "-pthread"] + objects + program.ldflags

        def work():
            images._tool(command + ["-o", output + ".new"], "%s does not link as a Linux program with %s" % (program.name, libc))
            os.rename(output + ".new", output)
            return objects

        images.step(output, command, objects, work)
    return output


class Native(host.Process):
    """A Linux program that knows nothing of tutti: no kernel's keys, and its exit code is all it says."""

    def environment(self, control, files, out, listed):
        return dict(item.partition(b"=")[::2] for item in self.env)

    def before_exec(self):
        tie, allowed = super().before_exec(), sorted(os.sched_getaffinity(0))
        if self.spec.bound is None:
            return tie

        def bind():
            os.sched_setaffinity(0, allowed[:self.spec.bound])
            tie()
        return bind

    def judge(self):
        result, code = self.result, self.process.returncode
        result.code = code
        if result.timed_out:
            result.status, result.reason = STATUS_TIMEOUT, "%s: time-out after %g s" % (self.spec.name, self.timeout)
        elif code < 0:
            result.status, result.reason = STATUS_DIED, "%s: ended by signal %d" % (self.spec.name, -code)
        else:
            result.status = code
        result.entered = result.started
        result.ended = result.started + result.seconds


class Spec:
    """What to start. bound: how many CPUs it may use, None for all."""

    def __init__(self, image, name, cpus, threads):
        self.image, self.name, self.replay = image, name, None
        self.bound = cpus if threads is None or threads > cpus else None


def run(spec, argv, env, timeout=None, watcher=None, stop=None):
    """Run it to its end, its streams kept."""
    return host.serve(Native(spec, argv, env, None, b"", None, None, timeout, watcher, stop))
