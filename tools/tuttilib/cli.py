# SPDX-License-Identifier: BSD-3-Clause
"""The commands and what all of them share: errors are one line, Ctrl-C ends everything with 130."""

import importlib
import os
import sys

from . import console, guest
from .console import Failure

USAGE = """usage: ./tutti COMMAND …

  run APP|IMAGE|FILE.c   boot it as a virtual machine; its arguments come after --
  debug APP|FILE.c       the same in gdb, as a Linux process (--plat host)
  build APP [-o IMAGE]   build a bootable image
  cc …                   gcc's own arguments; links a bootable image
  configure …            run ./configure for tutti
  bench [NAME…]          compare the allocators
  test [PATTERN]         run the tests
  list                   applications, benchmarks, allocators, configurations, tests
  clean                  remove what was built

./tutti COMMAND --help tells more."""

COMMANDS = {
    "run": ("run", "command_run"), "build": ("run", "command_build"), "list": ("run", "command_list"),
    "clean": ("run", "command_clean"), "debug": ("run", "command_debug"),
    "cc": ("cc", "command_cc"), "configure": ("cc", "command_configure"),
    "bench": ("bench", "command_bench"), "test": ("testrun", "command_test"),
}


def open_streams():
    """Whoever closed a standard stream means nothing by it: without this the next file opened would take its number."""
    for fd, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            new = os.open(os.devnull, flags)
            if new != fd:
                os.dup2(new, fd)
                os.close(new)
            os.set_inheritable(fd, True)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")


def main(words):
    open_streams()
    try:
        return dispatch(words)
    except Failure as failure:
        console.say(failure)
        return failure.status
    except KeyboardInterrupt:
        guest.kill_all()
        console.say("interrupted")
        return guest.STATUS_INTERRUPT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)    # nothing more to flush to
        return 141
    except OSError as error:        # a full disk, a folder that may not be written
        console.say("%s: %s" % (error.filename or words[0], error.strerror or error))
        return 2
    finally:
        console.wipe()


def dispatch(words):
    if not words:
        console.write_err((USAGE + "\n").encode())
        return 2
    name, rest = words[0], words[1:]
    if name in ("-h", "--help", "help"):
        console.out(USAGE)
        return 0
    if name not in COMMANDS:
        raise Failure("there is no command %s; there are: %s" % (name, " ".join(COMMANDS)))
    module, function = COMMANDS[name]
    status = getattr(importlib.import_module("." + module, __package__), function)(rest)
    sys.stdout.flush()
    return status
