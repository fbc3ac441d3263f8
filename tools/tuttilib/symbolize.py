# SPDX-License-Identifier: BSD-3-Clause
"""Turns the addresses of a crash report into functions and lines.

The guest prints bare addresses; the load base and build id it printed at boot say which unstripped file they belong to, and a
file with another build id is never used. In a backtrace (lines that hold an address and nothing else) all but the first address
are return addresses, so their line is looked up one byte before.
"""

import bisect
import os
import re
import subprocess

from .console import Failure
from .elf import Elf

ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
FRAME = re.compile(r"\s+0x[0-9a-fA-F]+\s*$")


class Repeats:
    """Says a line that comes again and again once, and how often: a deep recursion is 30 equal lines."""

    def __init__(self, out):
        self.out, self.last, self.more = out, None, 0

    def put(self, line):
        if line == self.last:
            self.more += 1
            return
        self.end()
        self.last = line
        self.out(line)

    def end(self):
        if self.more == 1:
            self.out(self.last)
        elif self.more:
            self.out("    (%d more of these)" % self.more)
        self.last, self.more = None, 0


class Symbolizer:
    def __init__(self, image, root=None):
        self.path = image if image.endswith(".debug") else image + ".debug"
        self.root = root
        self.base = None
        self.usable = False
        self.size = 0
        self.symbols = None
        self.in_backtrace = False

    def loaded(self, base, build):
        """The guest said where it runs (`I` line)."""
        self.base = base
        try:
            elf = Elf(self.path)
        except Failure:
            return
        if elf.fixed:
            self.base = 0
        self.size = elf.virt_top
        self.low = elf.virt_low
        self.usable = not build or not elf.build_id or elf.build_id.startswith(build.lower())

    def line(self, text):
        """`text` with every address of the image followed by function and line."""
        frame = FRAME.fullmatch(text) is not None
        caller, self.in_backtrace = frame and self.in_backtrace, frame
        if not self.usable or self.base is None:
            return text
        found = []
        for match in ADDRESS.finditer(text):
            offset = int(match.group(), 16) - self.base
            if self.low <= offset < self.size:
                found.append((match, offset, offset - 1 if caller else offset))
        if not found:
            return text
        lines = self._lines([look for _, _, look in found])
        parts, at = [], 0
        for (match, offset, look), place in zip(found, lines):
            name = self._function(offset, look)
            note = " ".join(part for part in (name, "(%s)" % place if place else "") if part)
            parts.append(text[at:match.end()] + (" " + note if note else ""))
            at = match.end()
        return "".join(parts) + text[at:]

    def _function(self, offset, look):
        if self.symbols is None:
            self.symbols = self._nm()
        index = bisect.bisect_right(self.symbols, (look, "\uffff")) - 1
        if index < 0:
            return ""
        start, name = self.symbols[index]
        return "%s+0x%x" % (name, offset - start)

    def _nm(self):
        try:
            result = subprocess.run(["nm", "-n", "--defined-only", self.path], stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            return []
        symbols = []
        for line in result.stdout.decode("utf-8", "replace").splitlines():
            part = line.split(None, 2)
            if len(part) == 3 and part[1] in "tTwWdDbBrRvV" and not part[2].startswith((".L", "$")):
                symbols.append((int(part[0], 16), part[2]))
        symbols.sort()
        return symbols

    def _lines(self, offsets):
        try:
            result = subprocess.run(["addr2line", "-e", self.path] + ["0x%x" % offset for offset in offsets],
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
            places = result.stdout.decode("utf-8", "replace").splitlines()
        except (OSError, subprocess.TimeoutExpired):
            places = []
        places += [""] * (len(offsets) - len(places))
        return [self.short(place) for place in places]

    def short(self, place):
        """addr2line's FILE:LINE as it is shown; empty if there is none."""
        place = re.sub(r" \(discriminator \d+\)$", "", place)
        path, _, line = place.rpartition(":")
        if path in ("", "??") or not line.isdigit() or line == "0":
            return ""
        if self.root and path.startswith(self.root + os.sep):
            path = os.path.relpath(path, self.root)
        return "%s:%s" % (path, line)
