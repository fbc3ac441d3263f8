#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs a long make and shows how far it is.

    watch.py LABEL LOG COMMAND...

The output goes to LOG; on a terminal one line counts the commands that make has started, of as many as `COMMAND -n` says
there are. On failure the log's last lines go to stderr and the exit status is the command's.
"""

import os
import subprocess
import sys


def main():
    label, log, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    shown = sys.stdout.isatty()
    total = 0
    if shown:
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        total = subprocess.run([*command, "-n"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               check=False).stdout.count(b"\n")
    done = 0
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, close_fds=False)
        for line in process.stdout:
            out.write(line)
            done += 1
            if shown and done % 10 == 0:
                print(f"\r{label}: {min(done, total)} of {total} ", end="", flush=True)
        status = process.wait()
    if shown:
        print(f"\r{' ' * (len(label) + 20)}\r", end="", flush=True)
    if status:
        with open(log, encoding="utf-8", errors="replace") as text:
            sys.stderr.write("".join(text.readlines()[-20:]))
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
