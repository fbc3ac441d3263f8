# SPDX-License-Identifier: BSD-3-Clause
"""What a run of an image is, whatever it runs on: how it ends, what it says on the control channel, who hears it.

qemu.py runs an image as a virtual machine, host.py as a Linux process. Both give the kernel a control channel of its own, on which it
writes lines of one letter and a text: `R` it listens, `L` log, `W` warning, `B` boot error, `C` a line of a crash report, `I` where
the image stands in memory and which one it is, `P` peak of the allocator's memory, `H` what a replayed schedule was, `S` lock statistics, `E n` the end
with status n.
A run is good only if it said `E` and ended in the way that goes with it.
"""

import ctypes
import os
import signal
import time

from .console import say
from .symbolize import Repeats

STATUS_USAGE, STATUS_TIMEOUT, STATUS_DIED, STATUS_INTERRUPT, STATUS_CRASH = 2, 124, 125, 130, 134

# A run that is over its time is asked what its CPUs do: the kernel answers with a crash report and ends. It has so many seconds for that.
REPORT_SECONDS = 1.0

prctl = ctypes.CDLL(None, use_errno=True).prctl
prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]
PR_SET_PDEATHSIG = 1

alive = {}              # pid -> Popen of every machine or process this tool has running


def kill_all():
    for process in list(alive.values()):
        try:
            process.kill()
        except OSError:
            pass


def tie_to_parent():
    """A function for preexec_fn: SIGKILL from Linux when the thread that calls this now dies."""
    parent = os.getpid()

    def tie():
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
    return tie


class Result:
    """How a run ended. `status` is what the tool exits with; `reason` the line that says why, empty if it is the guest's own."""

    def __init__(self):
        self.status, self.reason = STATUS_DIED, ""
        self.exit_line = None           # n of the kernel's `E n`
        self.crash, self.warnings, self.log, self.boot_errors = [], [], [], []
        self.base = self.build = self.peak = None
        self.replay = None              # the words of the `H` line
        self.switches = None            # those of a replayed schedule, if they were asked for
        self.started = self.entered = self.ended = None     # clock: the start, `R` line, `E` line
        self.code = None                # exit code of QEMU or of the process
        self.errors = ""                # QEMU's own standard error
        self.closed_output = False
        self.timed_out = False
        self.seconds = 0.0
        self.stdout, self.stderr = bytearray(), bytearray()

    def guest_seconds(self):
        if self.entered is None or self.ended is None:
            return None
        return self.ended - self.entered

    def first_crash_line(self):
        return self.crash[0] if self.crash else ""


class Watcher:
    """What a caller may want to hear while the guest runs; all called from the loop that serves it."""

    pid = None          # of QEMU or of the process, once it runs

    def control(self, kind, text, result):
        """A line of the control channel."""

    def stdout(self, data):
        """Bytes of standard output, as they come; on `host` only if the caller keeps them."""


class Control:
    """The control channel's bytes as facts in a Result; each line goes on to the watcher."""

    def __init__(self, result, watcher):
        self.result, self.watcher, self.held = result, watcher, bytearray()

    def put(self, data):
        self.held += data
        *lines, rest = bytes(self.held).split(b"\n")
        self.held = bytearray(rest)
        for raw in lines:
            self.line(raw.decode("utf-8", "replace").rstrip("\r"))

    def line(self, line):
        result = self.result
        kind, _, text = line.partition(" ")
        now = time.monotonic()
        if kind == "L":
            result.log.append(text)
        elif kind == "W":
            result.warnings.append(text)
        elif kind == "C":
            result.crash.append(text)
        elif kind == "B":
            result.boot_errors.append(text)
        elif kind == "I":
            for word in text.split():
                key, _, value = word.partition("=")
                if key == "base":
                    result.base = int(value, 16)
                elif key == "build":
                    result.build = value
        elif kind == "R":
            result.entered = now
        elif kind == "P" and text.strip().isdigit():
            result.peak = int(text)
        elif kind == "H":
            result.replay = dict(word.partition("=")[::2] for word in text.split())
        elif kind == "E" and text.strip().isdigit():
            result.exit_line = int(text) & 0xff
            result.ended = now
        self.watcher.control(kind, text, result)


class Reporter(Watcher):
    """Shows the control channel to the user: warnings and crash lines always, the log if asked."""

    def __init__(self, symbolizer, verbose=False, table=None):
        self.symbolizer, self.verbose, self.table = symbolizer, verbose, table
        self.crash = Repeats(say)

    def control(self, kind, text, result):
        if kind == "I" and result.base is not None:
            self.symbolizer.loaded(result.base, result.build)
        elif kind == "L" and self.verbose:
            say(text)
        elif kind == "S" and self.table is not None:
            self.table.put(text)
        elif kind in ("W", "B"):
            say(text)
        elif kind == "C":
            self.crash.put(self.symbolizer.line(text))
        elif kind == "E":
            self.crash.end()


class Collector(Watcher):
    """The same for a caller that shows the text later: crash lines with symbols, in `lines`."""

    def __init__(self, symbolizer):
        self.symbolizer, self.lines = symbolizer, []
        self.crash = Repeats(self.lines.append)

    def control(self, kind, text, result):
        if kind == "I" and result.base is not None:
            self.symbolizer.loaded(result.base, result.build)
        elif kind in ("W", "B", "L"):
            self.lines.append(text)
        elif kind == "C":
            self.crash.put(self.symbolizer.line(text))
        elif kind == "E":
            self.crash.end()
