# SPDX-License-Identifier: BSD-3-Clause
"""One virtual machine: its command line, its byte streams, its end.

The guest has three channels, each one end of a socket pair that QEMU inherits, so that nothing is left in the file system
whatever ends the tool: COM1 is standard output and, framed, standard input; COM2 is standard error; port 0xe9 is the control
channel, lines from the kernel alone (guest.py). Framing: a count byte 1..255 and that many bytes; a zero byte is the end of the
input. Input is held back until the kernel's `R` line: what reaches the UART before its FIFOs are switched on is lost.

Flow: one poll loop moves bytes. It reads from the guest only while what it already holds can still be delivered, reads standard
input only while the guest takes it, and never waits inside a write: a slow reader slows the guest down and nothing is lost.

End: the run is good only if the kernel said `E status` and QEMU ended with the odd code of the debug-exit device. A triple
fault ends QEMU with 0 and no `E`. A machine that is over its time gets a non-maskable interrupt on every CPU, through QEMU's
monitor (a fourth socket pair), and a second to report what they were doing. QEMU gets SIGKILL from Linux when the thread that started it dies (PR_SET_PDEATHSIG), so
even a killed tool leaves no machine behind.
"""

import os
import select
import signal
import socket
import stat
import subprocess
import time

from .console import Failure
from .guest import (REPORT_SECONDS, STATUS_CRASH, STATUS_DIED, STATUS_TIMEOUT, STATUS_USAGE, Control, Result, Watcher, alive,
                    tie_to_parent)

QEMU = "qemu-system-x86_64"
HOLD = 1 << 16          # bytes held per direction before the loop stops reading more
CHUNK = 1 << 16
NAP = 0.0007            # seconds
LINGER = 5.0            # seconds QEMU may take to end after the guest has said its status

KVM_GAVE_UP = b"KVM internal error"
INJECT_NMI = b'{"execute": "qmp_capabilities"} {"execute": "inject-nmi"}\n'    # to all CPUs, on this kind of machine


class Spec:
    """What to start."""

    def __init__(self, image, cpus=2, memory=256 << 20, alloc=None, sched=None, machine="microvm", accel="tcg",
                 one_of_two=False, verbose=False, extra=(), name="tutti"):
        self.image, self.cpus, self.memory = image, cpus, memory
        self.alloc, self.sched, self.machine, self.accel = alloc, sched, machine, accel
        self.one_of_two = one_of_two    # `-smp 1,maxcpus=2`: atomics stay atomic, so that one CPU is an honest base line
        self.verbose, self.extra, self.name = verbose, list(extra), name

    def keys(self, framed=True):
        words = []
        if self.alloc:
            words.append("tutti.alloc=" + self.alloc)
        if self.sched:
            words.append("tutti.sched=" + self.sched)
        if framed:
            words.append("tutti.stdin=framed")
        if self.verbose:
            words.append("tutti.verbose=1")
        if self.accel == "kvm" and not hardware_virtualization():
            words.append("tutti.cpu=base")      # a KVM that interprets kernel code knows few instructions
        return " ".join(words + self.extra)

    def command(self, com1, com2, control, initrd, framed=True, monitor=None):
        """QEMU's command line; com1, com2, control and monitor (QMP) are chardev descriptions without the id."""
        smp = str(self.cpus)
        if self.one_of_two and self.cpus == 1:
            smp = "1,maxcpus=2"
        machine = "q35"
        if self.machine == "microvm":
            machine = "microvm,acpi=on,pit=off,pic=off,rtc=on,isa-serial=on,auto-kernel-cmdline=off"
        if self.accel == "kvm":
            accel, cpu = "kvm", "host" if hardware_virtualization() else "qemu64,+x2apic,+tsc-deadline,+kvmclock"
        else:
            accel, cpu = "tcg,thread=multi", "max"
        if self.memory % (1 << 20) == 0:
            memory = "%dM" % (self.memory >> 20)
        else:
            memory = "%dK" % (self.memory >> 10)

        def chardev(text, ident):
            kind, _, rest = text.partition(",")
            return "%s,id=%s%s" % (kind, ident, "," + rest if rest else "")

        return [
            QEMU, "-M", machine, "-accel", accel, "-cpu", cpu, "-smp", smp, "-m", memory,
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-name", "%s,debug-threads=on" % self.name.replace(",", ",,"),
            "-chardev", chardev(com1, "com1"), "-serial", "chardev:com1",
            "-chardev", chardev(com2, "com2"), "-device", "isa-serial,chardev=com2,index=1",
            "-chardev", chardev(control, "control"), "-device", "isa-debugcon,iobase=0xe9,chardev=control",
            "-device", "isa-debug-exit,iobase=0x501,iosize=2",
            "-kernel", self.image, "-initrd", initrd, "-append", self.keys(framed),
        ] + (["-chardev", chardev(monitor, "monitor"), "-mon", "chardev=monitor,mode=control"] if monitor else [])


def hardware_virtualization():
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("flags"):
                    flags = line.split()
                    return "vmx" in flags or "svm" in flags
    except OSError:
        pass
    return False


def kvm_opens():
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
        return True
    except OSError:
        return False


def choose_accel(wish):
    """`auto` means KVM only where the processor has it: elsewhere /dev/kvm may open and still be useless for speed."""
    if wish == "auto":
        return "kvm" if hardware_virtualization() and kvm_opens() else "tcg"
    if wish == "kvm" and not kvm_opens():
        raise Failure("--accel kvm: /dev/kvm does not open here; use --accel tcg")
    return wish


class _Out:
    """Delivers bytes to a file descriptor without waiting, or into a bytearray."""

    def __init__(self, sink):
        self.fd = sink if isinstance(sink, int) else None
        self.store = None if isinstance(sink, int) else sink
        self.held = bytearray()
        self.sock = None
        if self.fd is not None:
            try:
                mode = os.fstat(self.fd).st_mode
                if stat.S_ISSOCK(mode):
                    self.sock = socket.socket(fileno=os.dup(self.fd))
            except OSError:
                self.fd, self.store = None, bytearray()     # closed by whoever started us: nobody wants the bytes

    def put(self, data):
        if self.fd is None:
            self.store += data
        else:
            self.held += data

    def flush(self):
        """Called when poll says it can take bytes: at most PIPE_BUF at once, which a pipe then takes without waiting."""
        part = bytes(self.held[:select.PIPE_BUF])
        if self.sock is not None:
            try:
                done = self.sock.send(part, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except BlockingIOError:
                done = 0
        else:
            done = os.write(self.fd, part)
        del self.held[:done]

    def close(self):
        if self.sock is not None:
            self.sock.close()


class Machine:
    """A machine being run; use run()."""

    def __init__(self, spec, archive, stdin, stdout, stderr, timeout, watcher, stop=None):
        self.spec, self.archive, self.timeout = spec, archive, timeout
        self.watcher = watcher or Watcher()
        self.stop = stop                # callable: true once the caller wants an end
        self.result = Result()
        self.out = _Out(self.result.stdout if stdout is None else stdout)
        self.err = _Out(self.result.stderr if stderr is None else stderr)
        self.feed = bytearray()         # framed bytes on their way to the guest
        self.stdin_fd = stdin if isinstance(stdin, int) else None
        self.source = None if isinstance(stdin, int) else memoryview(stdin or b"")
        self.lines = Control(self.result, self.watcher)
        self.process = None
        self.kvm_gave_up = False
        self.put_down = False           # QEMU did not end by itself

    # -- start and end -------------------------------------------------------------------------------------------------

    def start(self):
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(4)]
        for ours, theirs in pairs:
            ours.setblocking(False)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.com1, self.com2, self.control, self.monitor = [ours for ours, _ in pairs]
        theirs = [their for _, their in pairs]
        memory = os.memfd_create("tutti-archive", os.MFD_CLOEXEC)
        try:
            with open(memory, "wb", closefd=False) as file:
                file.write(self.archive)
            com1, com2, control, monitor = ["socket,fd=%d" % their.fileno() for their in theirs]
            command = self.spec.command(com1, com2, control, "/proc/self/fd/%d" % memory, monitor=monitor)
            read_end, write_end = os.pipe()
            self.result.started = time.monotonic()
            try:
                self.process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=write_end, stderr=write_end, start_new_session=True,
                    pass_fds=[their.fileno() for their in theirs] + [memory], preexec_fn=tie_to_parent())
            except FileNotFoundError:
                os.close(read_end)
                raise Failure("%s is not installed; do: apt-get install qemu-system-x86" % QEMU)
            finally:
                os.close(write_end)
            alive[self.process.pid] = self.process
            self.watcher.pid = self.process.pid
            self.messages = read_end
            os.set_blocking(read_end, False)
        finally:
            os.close(memory)
            for their in theirs:
                their.close()

    def finish(self):
        """Kill what still runs and close everything; safe at any moment."""
        if self.process is not None:
            if self.process.poll() is None:
                self.put_down = True
                try:
                    self.process.kill()
                except OSError:
                    pass
            self.process.wait()
            alive.pop(self.process.pid, None)
            os.close(self.messages)
            for sock in (self.com1, self.com2, self.control, self.monitor):
                sock.close()
        self.out.close()
        self.err.close()

    # -- standard input ------------------------------------------------------------------------------------------------

    def frame(self, data):
        for at in range(0, len(data), 255):
            part = data[at:at + 255]
            self.feed.append(len(part))
            self.feed += part

    def read_stdin(self):
        try:
            data = os.read(self.stdin_fd, 1 << 14)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.frame(data)
        else:
            self.feed.append(0)
            self.stdin_fd = None

    def refill(self):
        """The same for input that is in memory."""
        if self.source is not None and len(self.feed) < HOLD:
            part, self.source = self.source[:HOLD], self.source[HOLD:]
            self.frame(part)
            if not self.source:
                self.feed.append(0)
                self.source = None

    def stdin_ready(self):
        """May standard input be read? Not by a background job of a terminal: Linux would stop it."""
        if self.stdin_fd is None or len(self.feed) >= HOLD:
            return False
        try:
            if os.isatty(self.stdin_fd) and os.tcgetpgrp(self.stdin_fd) != os.getpgrp():
                return False
        except OSError:
            pass
        return True

    # -- the loop ------------------------------------------------------------------------------------------------------

    def loop(self):
        result = self.result
        deadline = result.started + self.timeout if self.timeout else None
        channels = {self.com1.fileno(): (self.com1, "out"), self.com2.fileno(): (self.com2, "err"),
                    self.control.fileno(): (self.control, "control")}
        messages = bytearray()
        open_messages = True
        lingering = None
        streaming = False       # the guest was writing a moment ago
        gone = None             # when QEMU was seen gone while a channel still looked open
        while channels or open_messages or self.out.held or self.err.held:
            self.refill()
            poll = select.poll()
            watched = {}

            def watch(fd, events):
                watched[fd] = watched.get(fd, 0) | events

            for fd, (sock, role) in channels.items():
                full = role == "out" and len(self.out.held) >= HOLD or role == "err" and len(self.err.held) >= HOLD
                if not full:
                    watch(fd, select.POLLIN)
                if role == "out" and self.feed and result.entered is not None:
                    watch(fd, select.POLLOUT)
            if open_messages:
                watch(self.messages, select.POLLIN)
            if channels and self.stdin_ready():
                watch(self.stdin_fd, select.POLLIN)
            for sink in (self.out, self.err):
                if sink.held:
                    watch(sink.fd, select.POLLOUT)
            for fd, events in watched.items():
                poll.register(fd, events)

            now = time.monotonic()
            if deadline is not None and now >= deadline:
                if result.timed_out or not self.ask_for_report():
                    result.timed_out = True
                    return
                result.timed_out = True
                deadline = now + REPORT_SECONDS
            if lingering is not None and now >= lingering and channels and self.process.poll() is None:
                return          # said its status, yet does not end
            if self.stop is not None and self.stop():
                return
            waits = [limit - now for limit in (deadline, lingering) if limit is not None and limit > now]
            if self.stop is not None or self.stdin_fd is not None:
                waits.append(0.2)
            elif not waits:
                waits.append(1.0)
            if streaming:
                time.sleep(NAP)         # bytes come one by one: let some gather, for the sake of the guest's share of the CPU
            streaming = False
            for fd, events in poll.poll(max(0, min(waits)) * 1000 + 1):
                if fd in channels:
                    sock, role = channels[fd]
                    if events & select.POLLOUT and role == "out" and self.feed:
                        self.send(sock)
                    if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                        streaming = True
                        if not self.receive(sock, role):
                            del channels[fd]
                            if role == "out":
                                self.feed.clear()
                elif open_messages and fd == self.messages:
                    data = self.read_messages()
                    messages += data or b""
                    open_messages = data != b""
                    if KVM_GAVE_UP in messages and lingering is None:
                        self.kvm_gave_up = True         # QEMU then waits for a debugger, for ever
                        lingering = time.monotonic() + 0.5
                elif self.stdin_fd is not None and fd == self.stdin_fd and self.stdin_ready():
                    self.read_stdin()
                else:
                    for sink, name in ((self.out, "out"), (self.err, "err")):
                        if sink.fd == fd and sink.held:
                            try:
                                sink.flush()
                            except BlockingIOError:
                                pass
                            except OSError:
                                if name == "out":
                                    result.closed_output = True
                                    result.errors = messages.decode("utf-8", "replace")
                                    return
                                sink.fd, sink.store = None, bytearray()
                                sink.held.clear()
            result.errors = messages.decode("utf-8", "replace")
            if result.exit_line is not None and lingering is None:
                lingering = time.monotonic() + LINGER
            if self.process.poll() is not None and channels:
                if gone is not None and time.monotonic() > gone + 1.0 and not self.out.held and not self.err.held:
                    return      # a channel that does not close although QEMU has ended: nothing more will come
                gone = gone or time.monotonic()

    def ask_for_report(self):
        """Interrupt all CPUs, once. False: there is nobody to answer."""
        if self.result.entered is None or self.result.exit_line is not None:
            return False
        try:
            self.monitor.send(INJECT_NMI)
        except OSError:
            return False
        return True

    def send(self, sock):
        try:
            done = sock.send(self.feed[:CHUNK])
        except BlockingIOError:
            return
        except OSError:
            self.feed.clear()
            return
        del self.feed[:done]

    def receive(self, sock, role):
        try:
            data = sock.recv(CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            return False
        if role == "control":
            self.lines.put(data)
        elif role == "out":
            self.out.put(data)
            self.watcher.stdout(data)
        else:
            self.err.put(data)
        return True

    def read_messages(self):
        try:
            return os.read(self.messages, CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def judge(self):
        """Status and reason from what was seen."""
        result = self.result
        result.code = self.process.returncode
        name = self.spec.name
        last = [line for line in result.errors.splitlines() if line.strip()]
        said = result.exit_line is not None
        if result.timed_out:
            result.status = STATUS_TIMEOUT
            result.reason = "%s: time-out after %g s" % (name, self.timeout)
        elif result.boot_errors:
            result.status = STATUS_USAGE
        elif said and result.code == (result.exit_line & 0x7f) << 1 | 1:         # what the debug-exit device makes of it
            result.status = result.exit_line
            if result.crash:
                result.status = STATUS_CRASH
                result.reason = "%s crashed: exit status %d" % (name, STATUS_CRASH)
        else:
            result.status = STATUS_DIED
            if self.kvm_gave_up:
                what, last = "KVM internal error: it cannot emulate an instruction here; use --accel tcg", []
            elif self.put_down:
                what = "the guest said status %d and did not stop" % result.exit_line if said else "it was stopped"
            elif result.code is not None and result.code < 0:
                try:
                    what = "QEMU was ended by %s" % signal.Signals(-result.code).name
                except ValueError:
                    what = "QEMU was ended by signal %d" % -result.code
            elif said:
                what = "the guest said status %d, then QEMU ended with %s" % (result.exit_line, result.code)
            elif result.code == 0:
                what = "triple fault or reset (QEMU's exit code 0)"
            else:
                what = "QEMU's exit code %s" % result.code
            if last:
                what += "; QEMU's last line: " + last[-1].strip()
            result.reason = "%s: the machine died: %s" % (name, what)


def run(spec, archive, stdin=b"", stdout=None, stderr=None, timeout=None, watcher=None, stop=None):
    """Run one machine to its end.

    stdin: bytes or a file descriptor. stdout, stderr: a file descriptor, or None to keep the bytes in the result. timeout:
    seconds or None. stop: called now and then; true ends the machine. Raises Failure if QEMU cannot be started.
    """
    machine = Machine(spec, archive, stdin, stdout, stderr, timeout, watcher, stop)
    try:
        machine.start()
        machine.loop()
        if not machine.result.timed_out and not machine.result.closed_output:
            try:
                machine.process.wait(LINGER if machine.result.exit_line is None or machine.process.poll() is None else 0.1)
            except subprocess.TimeoutExpired:
                pass
    finally:
        machine.finish()
    machine.result.seconds = time.monotonic() - machine.result.started
    machine.judge()
    return machine.result
