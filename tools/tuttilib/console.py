# SPDX-License-Identifier: BSD-3-Clause
"""What the tool says to people.

Everything goes to standard error, so that standard output belongs to the guest program (or to a table). A lasting line starts
with `tutti:`. A progress line exists only on a terminal and is wiped before anything else is written, by whichever thread.
An expected error is a Failure: one line, and the exit status that goes with it.
"""

import os
import sys
import threading


class Failure(Exception):
    """An error that is the user's to mend: one clear line, no Python trace."""

    def __init__(self, message, status=2):
        super().__init__(message)
        self.status = status


class Interrupted(Exception):
    """A signal asked the tool to end; carries its number."""

    def __init__(self, signum):
        super().__init__("signal %d" % signum)
        self.signum = signum


lock = threading.RLock()
_state = {"progress": 0}


def on_terminal():
    try:
        return os.isatty(2)
    except OSError:
        return False


def write_err(data):
    """Write bytes to standard error, all of them; a standard error nobody reads is no reason to fail."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(2, view):]
    except OSError:
        pass


def wipe():
    with lock:
        if _state["progress"]:
            write_err(b"\r\x1b[K")
            _state["progress"] = 0


def say(text):
    """One line for the user, with the tool's name in front of each."""
    with lock:
        wipe()
        lines = str(text).splitlines() or [""]
        write_err("".join("tutti: %s\n" % line for line in lines).encode("utf-8", "replace"))


def progress(text):
    """What is going on just now; seen on a terminal only, replaced by the next."""
    if not on_terminal():
        return
    with lock:
        try:
            width = os.get_terminal_size(2).columns
        except OSError:
            width = 80
        write_err(("\r\x1b[K%s" % text[:max(width - 1, 10)]).encode("utf-8", "replace"))
        _state["progress"] = 1


def out(text=""):
    """A line of a result on standard output."""
    with lock:
        wipe()
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
