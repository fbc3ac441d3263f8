# SPDX-License-Identifier: BSD-3-Clause
"""One run as a Linux process: what it is started with, and its end.

The image is an ordinary executable. Its arguments and environment are the program's; the kernel's keys come in TUTTI_KEYS, which the
program does not see. Standard streams that the caller names are handed on as they are: no byte of them passes through here, so
a terminal, a pipe or a file behaves as with any other program. Streams that the caller wants to keep are pipes. The control channel
is a pipe, the file tree an unnamed file.

The process belongs to the tool's process group, so Ctrl-C reaches it as well and a job in the background stays one; and Linux kills
it when the thread that started it dies. One that is over its time gets SIGQUIT and a second to report what its CPUs
were doing. Nothing here ticks: the loop sleeps until a pipe or the process itself has something to say.
"""

import os
import select
import shlex
import signal
import subprocess
import time

from .console import Failure
from .guest import (REPORT_SECONDS, STATUS_CRASH, STATUS_DIED, STATUS_TIMEOUT, STATUS_USAGE, Control, Result, Watcher, alive,
                    tie_to_parent)

CHUNK = 1 << 16
MAX_SEED = (1 << 63) - 1
KEYS = "TUTTI_KEYS"


class Replay:
    """A schedule: drawn from a seed, or, with `switches`, exactly that list of (point, CPU)."""

    def __init__(self, seed, strategy=None, depth=None, switches=None, record=False):
        self.seed, self.strategy, self.depth = seed, strategy, depth
        self.switches, self.record = switches, record

    def key(self, out=None, listed=None):
        words = ["tutti.replay=%d" % self.seed]
        for name, value in (("strategy", self.strategy), ("depth", self.depth), ("out", out), ("list", listed)):
            if value is not None:
                words.append("%s=%s" % (name, value))
        return ",".join(words)


class Spec:
    """What to start."""

    def __init__(self, image, cpus=2, memory=256 << 20, alloc=None, sched=None, pin=False, replay=None, verbose=False, extra=(),
                 name="tutti"):
        self.image, self.cpus, self.memory = image, cpus, memory
        self.alloc, self.sched, self.pin, self.replay = alloc, sched, pin, replay
        self.verbose, self.extra, self.name = verbose, list(extra), name

    def keys(self, control=None, files=None, out=None, listed=None):
        words = ["tutti.cpus=%d" % self.cpus, "tutti.memory=%d" % self.memory]
        if self.alloc:
            words.append("tutti.alloc=" + self.alloc)
        if self.sched:
            words.append("tutti.sched=" + self.sched)
        if self.pin:
            words.append("tutti.pin=1")
        if self.replay:
            words.append(self.replay.key(out, listed))
        if self.verbose:
            words.append("tutti.verbose=1")
        if control is not None:
            words.append("tutti.control=%d" % control)
        if files is not None:
            words.append("tutti.files=%d" % files)
        return " ".join(words + self.extra)


def unnamed(data, name):
    """A file that has no name and these bytes, read from its start; the caller closes it."""
    fd = os.memfd_create("tutti-" + name, os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def switch_lines(switches):
    return "".join("%d %d\n" % switch for switch in switches).encode()


class Process:
    """A process being run; use run()."""

    def __init__(self, spec, argv, env, files, stdin, stdout, stderr, timeout, watcher, stop):
        self.spec, self.argv, self.env, self.files = spec, argv, env, files
        self.stdin, self.sinks = stdin, {1: stdout, 2: stderr}
        self.timeout, self.stop = timeout, stop
        self.watcher = watcher or Watcher()
        self.result = Result()
        self.lines = Control(self.result, self.watcher)
        self.process = None
        self.readers = {}               # fd of ours -> what takes its bytes
        self.record = None              # where the kernel writes the switches it took
        self.put_down = False

    def start(self):
        """Starts it; every descriptor opened for its sake that is not wanted later is closed again."""
        theirs = []

        def give(fd):
            theirs.append(fd)
            return fd

        def pipe(put):
            ours, end = os.pipe()
            os.set_blocking(ours, False)
            self.readers[ours] = put
            return give(end)

        try:
            control = pipe(self.lines.put)
            passed = [control]
            files = out = listed = None
            if self.files is not None:
                files = give(unnamed(self.files, "files"))
                passed.append(files)
            replay = self.spec.replay
            if replay and replay.record:
                out = self.record = os.memfd_create("tutti-switches", os.MFD_CLOEXEC)
                passed.append(out)
            if replay and replay.switches is not None:
                listed = give(unnamed(switch_lines(replay.switches), "list"))
                passed.append(listed)
            stdin = self.stdin
            if not isinstance(stdin, int):
                stdin = give(unnamed(stdin, "input")) if stdin else subprocess.DEVNULL
            streams = {1: self.sinks[1], 2: self.sinks[2]}
            if streams[1] is None:
                streams[1] = pipe(self.put_stdout)
            if streams[2] is None:
                streams[2] = pipe(self.result.stderr.extend)
            self.result.started = time.monotonic()
            try:
                self.process = subprocess.Popen(
                    self.argv, executable=self.spec.image, stdin=stdin, stdout=streams[1], stderr=streams[2], pass_fds=passed,
                    env=self.environment(control, files, out, listed), preexec_fn=self.before_exec())
            except OSError as error:
                raise Failure("%s cannot be started: %s" % (self.spec.image, error.strerror))
            alive[self.process.pid] = self.process
            self.watcher.pid = self.process.pid
        finally:
            for fd in theirs:
                os.close(fd)

    def environment(self, control, files, out, listed):
        """The program's own variables and the kernel's keys."""
        found = dict(item.partition(b"=")[::2] for item in self.env)
        found[KEYS.encode()] = os.fsencode(self.spec.keys(control, files, out, listed))
        return found

    def before_exec(self):
        """A function that the new process calls."""
        return tie_to_parent()

    def put_stdout(self, data):
        self.result.stdout += data
        self.watcher.stdout(data)

    def loop(self):
        """Until the process has ended and all its pipes are empty."""
        deadline = self.result.started + self.timeout if self.timeout else None
        poll = select.poll()
        for fd in self.readers:
            poll.register(fd, select.POLLIN)
        ended = os.pidfd_open(self.process.pid)
        try:
            poll.register(ended, select.POLLIN)
            waiting = set(self.readers) | {ended}
            while waiting:
                wait = None
                if deadline is not None:
                    wait = deadline - time.monotonic()
                    if wait <= 0:
                        if self.result.timed_out or not self.ask_for_report():
                            self.result.timed_out = True
                            return
                        self.result.timed_out = True
                        deadline += REPORT_SECONDS
                        wait = REPORT_SECONDS
                if self.stop is not None:
                    if self.stop():
                        return
                    wait = min(wait or 0.2, 0.2)
                for fd, _ in poll.poll(None if wait is None else wait * 1000 + 1):
                    if fd == ended or not self.receive(fd):
                        poll.unregister(fd)
                        waiting.discard(fd)
        finally:
            os.close(ended)

    def ask_for_report(self):
        """Let the process say what its CPUs do, and end. False: there is nobody to answer."""
        if self.result.entered is None or self.result.exit_line is not None or self.process.poll() is not None:
            return False
        self.process.send_signal(signal.SIGQUIT)
        return True

    def receive(self, fd):
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return True
        if data:
            self.readers[fd](data)
        return bool(data)

    def finish(self):
        """Kill what still runs and close everything; safe at any moment."""
        if self.process is not None:
            if self.process.poll() is None:
                self.put_down = True
                self.process.kill()
            self.process.wait()
            alive.pop(self.process.pid, None)
        for fd in self.readers:
            os.close(fd)

    def switches(self):
        """What the kernel wrote about the switches it took, as a list of (point, CPU)."""
        if self.record is None:
            return None
        with open(self.record, "rb") as file:
            file.seek(0)
            text = file.read().decode("ascii", "replace")
        self.record = None
        return parse_switches(text)

    def judge(self):
        """Status and reason from what was seen."""
        result, name = self.result, self.spec.name
        code = result.code = self.process.returncode
        said = result.exit_line is not None
        if result.timed_out:
            result.status = STATUS_TIMEOUT
            result.reason = "%s: time-out after %g s" % (name, self.timeout)
        elif code == -signal.SIGINT:
            raise KeyboardInterrupt
        elif result.boot_errors:
            result.status = STATUS_USAGE
        elif said and code == result.exit_line:
            result.status = result.exit_line
            if result.crash:
                result.status = STATUS_CRASH
                result.reason = "%s crashed: exit status %d" % (name, STATUS_CRASH)
        elif code == -signal.SIGPIPE:
            result.closed_output = True
        else:
            result.status = STATUS_DIED
            if self.put_down:
                what = "it was stopped"
            elif code < 0:
                try:
                    what = "ended by %s" % signal.Signals(-code).name
                except ValueError:
                    what = "ended by signal %d" % -code
            elif said:
                what = "it said status %d, then ended with %d" % (result.exit_line, code)
            else:
                what = "exit code %d without a word of the kernel" % code
            result.reason = "%s: the process died: %s" % (name, what)


def run(spec, argv, env, files=None, stdin=b"", stdout=None, stderr=None, timeout=None, watcher=None, stop=None):
    """Run one process to its end.

    argv, env: lists of bytes. files: a cpio archive or None. stdin: bytes or a file descriptor. stdout, stderr: a file descriptor, or None
    to keep the bytes in the result. timeout: seconds or None. stop: called now and then; true ends the process. The result has the
    `switches` that were taken if the spec's replay asks for a record. Raises Failure if the process cannot be started.
    """
    return serve(Process(spec, argv, env, files, stdin, stdout, stderr, timeout, watcher, stop))


def serve(process):
    """Start it, see it through, judge it."""
    try:
        process.start()
        process.loop()
    finally:
        process.finish()
        taken = process.switches()
    process.result.seconds = time.monotonic() - process.result.started
    process.result.switches = taken
    process.judge()
    return process.result


def parse_switches(text):
    """The (point, CPU) pairs of a list of switches, points rising; lines that begin with # are remarks. ValueError if it is none."""
    found = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            point, cpu = line.split()
            if not (point.isascii() and point.isdigit() and cpu.isascii() and cpu.isdigit()) or int(point) > MAX_SEED \
                    or found and int(point) < found[-1][0]:
                raise ValueError(line)
            found.append((int(point), int(cpu)))
    return found


def shell_line(spec, argv, env, files_path):
    """The same process for a shell: the control channel's warnings and reports go to standard error."""
    words = ["env", "-i"] + [os.fsdecode(item) for item in env]
    words.append("%s=%s" % (KEYS, spec.keys(files=3 if files_path else None)))
    words += [spec.image] + [os.fsdecode(arg) for arg in argv[1:]]
    return " ".join(shlex.quote(word) for word in words) + (" 3<%s" % shlex.quote(files_path) if files_path else "")


def debugger(spec, argv, env, files, debug_image):
    """Become gdb with the image loaded; does not return."""
    keys = spec.keys(files=files)
    command = ["gdb", "-q", "-ex", "set startup-with-shell off", "-ex", "unset environment"]
    for item in env:
        name, _, value = os.fsdecode(item).partition("=")
        command += ["-ex", "set environment %s=%s" % (name, value)]
    command += ["-ex", "set environment %s=%s" % (KEYS, keys),
                "-ex", "handle SIGSEGV SIGALRM SIGURG SIGSYS nostop noprint pass",
                "--args", debug_image] + [os.fsdecode(arg) for arg in argv[1:]]
    try:
        os.execvp("gdb", command)
    except FileNotFoundError:
        raise Failure("gdb is not installed; do: apt-get install gdb")
