# SPDX-License-Identifier: BSD-3-Clause
"""`tutti bench boot`: how long a machine takes to reach `main`.

Two times of each kind of machine. From QEMU's start to the first byte of standard output, next to the yardstick's: the smallest PVH
image that prints one line and exits (tests/yardstick), so the ratio leaves QEMU's own start out of the question. And from the
kernel's first instruction to `main` by the guest's clock, which starts there. All kinds take turns; medians and minima are shown.

On host the same with processes; the yardstick there is a Linux program of two system calls and no library.
"""

import os
import statistics
import time

from . import console, cpio, guest, host, images, native, qemu
from .console import Failure, progress, say

COLUMNS = ("machine", "cpus", "memory", "first_byte_ms", "first_byte_min_ms", "to_main_ms", "to_main_min_ms")
MACHINES = [("yardstick", 1, "64M"), ("tutti", 1, "64M"), ("tutti", 4, "64M"), ("tutti", 1, "16G")]
LINUX_YARDSTICK = """
static long call(long nr, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}

void _start(void)
{
	call(1, 1, (long)"up\\n", 3);
	call(231, 0, 0, 0);
}
"""
PROGRAM = """
#include <stdio.h>
#include <time.h>
#include <unistd.h>
int main(void)
{
	struct timespec t;
	char line[32];

	clock_gettime(CLOCK_MONOTONIC, &t);
	return write(1, line, (size_t)snprintf(line, sizeof(line), "%ld\\n", t.tv_sec * 1000000000 + t.tv_nsec)) < 0;
}
"""


class FirstByte(guest.Watcher):
    def __init__(self):
        self.at = None

    def stdout(self, data):
        if self.at is None:
            self.at = time.monotonic()


def yardstick(folder):
    """Builds the yardstick; returns its path."""
    source = os.path.join(images.ROOT, "tests", "yardstick", "yardstick")
    output = os.path.join(folder, "yardstick")

    def work():
        images._tool(["gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,-T," + source + ".lds", "-Wl,--build-id=none",
                      source + ".S", "-o", output], "the yardstick does not build")
        return [source + ".S", source + ".lds"]

    images.step(output, ["yardstick"], [source + ".S", source + ".lds"], work)
    return output


def linux_yardstick(folder):
    """Builds host's yardstick; returns its path."""
    source, output = os.path.join(folder, "linux_yardstick.c"), os.path.join(folder, "linux_yardstick")
    keep(source, LINUX_YARDSTICK)

    def work():
        images._tool(["gcc", "-O2", "-nostdlib", "-static", "-fno-stack-protector", source, "-o", output], "the yardstick does not build")
        return [source]

    images.step(output, ["linux_yardstick"], [source], work)
    return output


def keep(path, text):
    """The file with this text, left alone if it is there."""
    if not os.path.isfile(path) or open(path, encoding="ascii").read() != text:
        images.write_file(path, text.encode())


def run_process(image, cpus, memory, opts):
    watcher = FirstByte()
    if image.endswith("yardstick"):
        result = native.run(native.Spec(image, "boot", 1, 1), [b"boot"], [], 60, watcher)
    else:
        result = host.run(host.Spec(image, cpus, memory, pin=opts.pin, name="boot"), [b"boot"], [], timeout=60, watcher=watcher)
    return times_of(result, watcher)


def run_once(image, cpus, memory, opts):
    watcher = FirstByte()
    spec = qemu.Spec(image, cpus=cpus, memory=memory, alloc=None, sched=None, machine=opts.machine, accel=qemu.choose_accel(opts.accel),
                     verbose=False, name="boot")
    result = qemu.run(spec, cpio.archive([b"boot"], []), timeout=60, watcher=watcher)
    return times_of(result, watcher)


def times_of(result, watcher):
    """(milliseconds to the first byte, to main by the guest's clock or None)"""
    if result.status != 0 or watcher.at is None:
        raise Failure("bench boot: %s" % (result.reason or "status %d" % result.status))
    text = bytes(result.stdout).decode("ascii", "replace").strip()
    return (watcher.at - result.started) * 1e3, int(text) / 1e6 if text.isdigit() else None


def bench_boot(opts, rounds):
    if len(opts.plats) != 1 or opts.vs:
        raise Failure("bench boot: one platform at a time")
    process = opts.plats == ["host"]
    kern = images.kernel(opts.config, opts.alloc_src, opts.plats[0])
    folder = os.path.join(kern.folder, "boot")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "to_main.c")
    keep(path, PROGRAM)
    program = images.build(images.Program("to_main", [path], folder="boot"), kern)
    stick = linux_yardstick(folder) if process else yardstick(folder)
    run = run_process if process else run_once
    times = {machine: [] for machine in MACHINES}
    for number in range(rounds):
        for machine in MACHINES:
            progress("boot %s, %d CPUs, %s  (%d of %d)" % (machine + (number + 1, rounds)))
            name, cpus, memory = machine
            amount = int(memory[:-1]) << {"M": 20, "G": 30}[memory[-1]]
            times[machine].append(run(stick if name == "yardstick" else program, cpus, amount, opts))
    console.wipe()
    console.out("\t".join(COLUMNS))
    for machine in MACHINES:
        first = [a for a, _ in times[machine]]
        main = [b for _, b in times[machine] if b is not None]
        console.out("%s\t%d\t%s\t%.1f\t%.1f\t%s\t%s" % (machine + (
            statistics.median(first), min(first), "%.2f" % statistics.median(main) if main else "",
            "%.2f" % min(main) if main else "")))
    base, one = times[MACHINES[0]], times[MACHINES[1]]
    say("first byte, tutti against the yardstick: %.2f (medians), %.2f (minima)" % (
        statistics.median(a for a, _ in one) / statistics.median(a for a, _ in base), min(one)[0] / min(base)[0]))
    say("to main, 4 CPUs against 1: %.2f (medians); 16G against 64M: %.2f" % tuple(
        statistics.median(b for _, b in times[m]) / statistics.median(b for _, b in one) for m in MACHINES[2:]))
    return 0
