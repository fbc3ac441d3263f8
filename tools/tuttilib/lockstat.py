# SPDX-License-Identifier: BSD-3-Clause
"""`tutti run --lockstat`: the lines of the kernel's lock statistics (sync/lockstat.c) as a table with names.

`S class NUMBER RANK ACQUISITIONS CONTENDED WAIT LONGEST NAME…` and `S site CLASS COUNT WAIT LONGEST 0xADDRESS…`, times in ns. A site is a stack;
shown is its first frame that is not part of a lock's own code, inlined functions included.
"""

import re
import subprocess

from .console import say

CONFIG = "lockstat"
SITES_SHOWN = 5
# Code that waits for others: who called it is what one wants to know.
INNER = re.compile(r"(^|/)(sync/\w+\.[ch]|include/uk/(spinlock|mutex|rwlock|semaphore|wait|wait_types)\.h|include/tutti/\w+\.h"
                   r"|sched/(kmutex|mutex|rwlock|semaphore|condition|completion|waitq|waiter)\.[ch]|mm/shootdown\.c|arch/x86_64/context\.S"
                   r"|posix/(futex\w*\.c|robust\.c|syscall_entry\.S))$|/musl/|^libc/")


def time_text(ns):
    for limit, unit, what in ((10000, 1, "ns"), (10000000, 1000, "us"), (10000000000, 1000000, "ms")):
        if ns < limit:
            return "%d %s" % (ns // unit, what)
    return "%d s" % (ns // 1000000000)


class LockClass:
    def __init__(self, words):
        self.number, self.rank, self.acquired, self.contended, self.wait, self.longest = (int(word) for word in words[:6])
        self.name, self.sites = " ".join(words[6:]), []


class Table:
    """Takes the lines as they come; tell() at the end."""

    def __init__(self, symbolizer):
        self.symbolizer, self.classes, self.sites = symbolizer, {}, []

    def put(self, text):
        words = text.split()
        if words[0] == "class" and len(words) > 7:
            one = LockClass(words[1:])
            self.classes[one.number] = one
        elif words[0] == "site" and len(words) >= 5:
            self.sites.append(([int(word) for word in words[1:5]], [int(word, 16) for word in words[5:]]))

    def tell(self):
        if not self.classes:
            say("no lock statistics: the run did not end by itself")
            return
        places = self.places()
        for (number, count, wait, longest), frames in self.sites:
            one = self.classes.get(number)
            if one:
                one.sites.append((wait, count, longest, places(frames)))
        say("%12s %10s %9s %9s  %s" % ("acquired", "contended", "waited", "longest", "lock"))
        for one in sorted(self.classes.values(), key=lambda c: (-c.wait, -c.contended, -c.acquired, c.number)):
            say("%12d %10d %9s %9s  %s" % (one.acquired, one.contended, time_text(one.wait), time_text(one.longest),
                                           self.symbolizer.line(one.name)))
            merged = {}
            for wait, count, longest, place in one.sites:
                old = merged.get(place, (0, 0, 0))
                merged[place] = (old[0] + wait, old[1] + count, max(old[2], longest))
            for place, (wait, count, longest) in sorted(merged.items(), key=lambda item: -item[1][0])[:SITES_SHOWN]:
                say("%12s %10d %9s %9s      at %s" % ("", count, time_text(wait), time_text(longest), place))

    def places(self):
        """A function that names the frame to show of a stack; all addresses are looked up at once."""
        symbolizer = self.symbolizer
        wanted = sorted({address - (index > 0) for _, frames in self.sites for index, address in enumerate(frames)})
        chains = inlined(symbolizer, wanted)

        def place(frames):
            first = None
            for index, address in enumerate(frames):
                for function, where in chains.get(address - (index > 0), ()):
                    first = first or (function, where)
                    if not INNER.search(where.rpartition(":")[0]):
                        return "%s (%s)" % (function, where)
            return "%s (%s)" % first if first else "0x%x" % frames[0] if frames else "places that did not fit the table"
        return place


def inlined(symbolizer, addresses):
    """{address: [(function, file:line)]}, innermost inlined function first; nothing for what has no line."""
    if not symbolizer.usable or symbolizer.base is None or not addresses:
        return {}
    try:
        done = subprocess.run(["addr2line", "-a", "-i", "-f", "-e", symbolizer.path] + ["0x%x" % (a - symbolizer.base) for a in addresses],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found, chain, function = {}, None, None
    left = iter(addresses)
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if re.fullmatch(r"0x[0-9a-f]{8,}", line):
            chain = found.setdefault(next(left, None), [])
            function = None
        elif function is None:
            function = line
        else:
            where = symbolizer.short(line)
            if where:
                chain.append((function, where))
            function = None
    return found
