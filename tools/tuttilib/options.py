# SPDX-License-Identifier: BSD-3-Clause
"""Option parsing: options before or after the names, the program's own words after `--`, the same long forms everywhere.

argparse is not used because of what it does with `--`, with abbreviations and with its two-line errors.
"""

import os

from .console import Failure

MEBI = 1 << 20
MAX_MEMORY = 16 << 30
MAX_CPUS = 64
LATER = object()


class Option:
    """One option. kind: `flag`, `value`, `list` (may be repeated) or LATER (comes with a later release)."""

    def __init__(self, names, kind="flag", arg="", about="", default=None):
        self.names, self.kind, self.arg, self.about = names.split(), kind, arg, about
        self.dest = self.names[-1].lstrip("-").replace("-", "_")
        self.default = [] if kind == "list" else False if kind == "flag" else default


class Options:
    """The values, one attribute per long option, plus `names` and `args` (bytes; None without `--`)."""


def parse(words, options, command):
    known = {name: option for option in options for name in option.names}
    found = Options()
    for option in options:
        setattr(found, option.dest, list(option.default) if option.kind == "list" else option.default)
    found.names, found.args = [], None
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            found.args = [os.fsencode(rest) for rest in queue]
            break
        if not word.startswith("-") or word == "-":
            found.names.append(word)
            continue
        name, value = word, None
        if word.startswith("--"):
            name, sign, rest = word.partition("=")
            value = rest if sign else None
        elif len(word) > 2 and word[:2] in known:
            name, value = word[:2], word[2:]
            if known[name].kind == "flag":
                raise Failure("%s: unknown option %s; see: ./tutti %s --help" % (command, word, command))
        option = known.get(name)
        if option is None:
            raise Failure("%s: unknown option %s; see: ./tutti %s --help" % (command, name, command))
        if option.kind is LATER:
            raise Failure("%s comes with a later release" % "/".join(option.names))
        if option.kind == "flag":
            if value is not None:
                raise Failure("%s: %s takes no value" % (command, name))
            setattr(found, option.dest, True)
            continue
        if value is None:
            if not queue:
                raise Failure("%s: %s wants %s" % (command, name, option.arg))
            value = queue.pop(0)
        if option.kind == "list":
            getattr(found, option.dest).append(value)
        else:
            setattr(found, option.dest, value)
    return found


def usage(options):
    lines = []
    for option in options:
        if option.kind is LATER:
            continue
        left = ", ".join(option.names) + (" " + option.arg if option.arg else "")
        lines.append("  %-26s %s" % (left, option.about))
    return "\n".join(lines)


# ---- values ----------------------------------------------------------------------------------------------------------

def cpus(text, option="--cpus"):
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= MAX_CPUS:
        raise Failure("%s %s: a number from 1 to %d is wanted" % (option, text, MAX_CPUS))
    return int(text)


def cpu_list(text, option="--cpus"):
    return unique([cpus(part, option) for part in text.split(",")])


def count_list(text, option, most):
    numbers = []
    for part in text.split(","):
        if not (part.isascii() and part.isdigit()) or not 1 <= int(part) <= most:
            raise Failure("%s %s: numbers from 1 to %d are wanted, with commas between" % (option, text, most))
        numbers.append(int(part))
    return unique(numbers)


def unique(items):
    return list(dict.fromkeys(items))


def memory(text, option="--memory"):
    """Bytes of `256M`, `64k`, `2GiB`; a bare number is MiB, as with QEMU. At most 16 GiB."""
    wrong = Failure("%s %s: a size such as 64M or 2G is wanted" % (option, text))
    low = text.lower()
    for ending in ("ib", "b"):
        if low.endswith(ending) and low[:-len(ending)][-1:] in ("k", "m", "g"):
            low = low[:-len(ending)]
            break
    unit = {"k": 1 << 10, "m": MEBI, "g": 1 << 30}.get(low[-1:])
    digits = low[:-1] if unit else low
    if not (digits.isascii() and digits.isdigit()):
        raise wrong
    size = int(digits) * (unit or MEBI)
    if size == 0:
        raise wrong
    if size > MAX_MEMORY:
        raise Failure("%s %s is too much: at most 16G" % (option, text))
    return size


def seconds(text, option="--timeout"):
    body = text[:-1] if text.endswith("s") else text
    try:
        value = float(body)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e7:
        raise Failure("%s %s: a number of seconds is wanted" % (option, text))
    return value


def choice(text, option, known):
    if text not in known:
        raise Failure("%s %s: one of %s is wanted" % (option, text, " ".join(known)))
    return text


def platforms(text, known, option="--plat"):
    return unique([choice(part, option, known) for part in text.split(",")])


def size_text(size):
    for unit, letter in ((1 << 30, "G"), (MEBI, "M"), (1 << 10, "K")):
        if size >= unit and size % unit == 0:
            return "%d%s" % (size // unit, letter)
    return str(size)
