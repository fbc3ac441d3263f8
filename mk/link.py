#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Prints link.json: how an application is compiled and linked into an image, the one source of truth for the tool.

    link.py CC BUILDDIR LDSCRIPT ARCHDIRS CFLAGS LDFLAGS DEFAULT_ALLOC ALLOCATORS

compile = cc + cflags + the user's flags; link = cc + ldflags + objects + libs. All paths are absolute, because an
application is compiled from any folder.
"""

import json
import os
import shlex
import subprocess
import sys


def main():
    cc, build, script, arch_dirs, cflags, ldflags, default_alloc, allocators = sys.argv[1:]
    build = os.path.abspath(build)
    gcc_include = subprocess.run([cc, "-print-file-name=include"], check=True, text=True,
                                 stdout=subprocess.PIPE).stdout.strip()
    out = {
        "cc": cc,
        # no path of this tree in an image: a replayed run is the same in another clone
        "cflags": shlex.split(cflags) + [
            f"-ffile-prefix-map={os.getcwd()}/=",
            "-nostdinc", "-isystem", f"{build}/musl/include", "-isystem", gcc_include,
            # after all others: what include/uk/ and include/tutti/ include of the kernel's own
            "-idirafter", os.path.abspath("include"), "-idirafter", os.path.abspath("."),
            *[word for folder in arch_dirs.split() for word in ("-idirafter", os.path.abspath(folder))]],
        "ldflags": shlex.split(ldflags) + ["-Wl,-T," + os.path.abspath(script), f"-L{build}/lib"],
        "libs": [f"{build}/tutti.o", "-Wl,--start-group", f"{build}/libc.a", "-lgcc", "-Wl,--end-group"],
        "allocators": allocators.split(),
        "default_alloc": default_alloc,
    }
    json.dump(out, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
