# SPDX-License-Identifier: BSD-3-Clause
"""Runs whose schedule comes from a seed (`tutti run --replay SEED`), and the search for the few switches that matter.

In a replay image one CPU at a time holds the baton, and every shared access is a point where it may go on; the seed decides. The same
seed, program and options give the same run, which the hash at the end says. A run that fails is shrunk by running it again from a list
of switches: ddmin (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002) takes switches away as long as
the run still ends in the same way. Points are counted from the start, so what follows a switch that was taken away is another
run, and a switch that stays may mean something else there: the list that is left fails, and is small, and that is all it promises.
"""

import os
import re
import shlex
import time

from . import console, images, options
from .console import Failure, progress, say
from .guest import STATUS_TIMEOUT, Watcher
from .host import MAX_SEED, Replay, parse_switches, switch_lines
from .options import Option

OPTIONS = [
    Option("--replay", "value", "SEED", "host: draw the schedule from this number"),
    Option("--strategy", "value", "NAME", "replay: walk, pct: priorities (even seeds walk), or even: CPUs of one speed"),
    Option("--depth", "value", "D", "replay: changes of priority with pct"),
    Option("--shrink", "flag", "", "replay: if it fails, look for the fewest switches that do"),
    Option("--shrink-time", "value", "S", "replay: for at most S seconds (60)"),
    Option("--replay-list", "value", "FILE", "replay: the schedule that --shrink left there"),
]
SHRINK_SECONDS = 60
SHRINK_MOST = 200000             # switches
SHRINK_SHOWN = 30
REMARK = re.compile(r"^# seed (\d+)$", re.M)


def number(text, option, most):
    if not (text.isascii() and text.isdigit()) or int(text) > most:
        raise Failure("%s %s: a number from 0 to %d is wanted" % (option, text, most))
    return int(text)


def refuse_list(opts, what):
    """A list is read from a descriptor that only a run has."""
    if opts.replay_list is not None:
        raise Failure("--replay-list does not go with %s; --replay SEED does" % what)


def check(opts):
    """Turn the options into values. A list of switches brings its seed along."""
    opts.switches = None
    if opts.replay_list is not None:
        try:
            with open(opts.replay_list, encoding="utf-8") as file:
                text = file.read()
            opts.switches = parse_switches(text)
        except OSError as error:
            raise Failure("--replay-list %s: %s" % (opts.replay_list, error.strerror))
        except ValueError:
            raise Failure("--replay-list %s: lines of two numbers, point and CPU, are wanted" % opts.replay_list)
        if opts.replay is None:
            seed = REMARK.search(text)
            if not seed:
                raise Failure("--replay-list %s: it does not say which seed; add --replay SEED" % opts.replay_list)
            opts.replay = seed.group(1)
    if opts.replay is None:
        for name in ("strategy", "depth", "shrink", "shrink_time"):
            if getattr(opts, name):
                raise Failure("--%s goes with --replay SEED" % name.replace("_", "-"))
        return
    opts.replay = number(opts.replay, "--replay", MAX_SEED)
    if opts.strategy is not None:
        options.choice(opts.strategy, "--strategy", ("walk", "pct", "even"))
    if opts.depth is not None:
        opts.depth = number(opts.depth, "--depth", 1000)
        if opts.strategy != "pct":
            raise Failure("--depth goes with --strategy pct")
    opts.shrink_time = options.seconds(opts.shrink_time, "--shrink-time") if opts.shrink_time is not None else SHRINK_SECONDS
    if opts.pin:
        raise Failure("--pin: in a replay all virtual CPUs are one thread")


def first_schedule(opts):
    """The schedule that the options ask for; None if they ask for no replay."""
    if opts.replay is None:
        return None
    return Replay(opts.replay, opts.strategy, opts.depth, opts.switches, record=opts.shrink)


def summary(seed, result):
    """One line on what a replay was."""
    said = result.replay
    if not said:
        return "replay seed %d: it did not come to its end, so there is no hash" % seed
    return "replay seed %d (%s): %s points, %s switches, hash %s" % (
        seed, said.get("strategy", "list"), said.get("points", "?"), said.get("switches", "?"), said.get("hash", "?"))


def run(launch, words):
    """`tutti run --replay`. words: the command line, which runs it again."""
    opts = launch.opts
    stdin = 0
    if opts.shrink:
        stdin = b"" if os.isatty(0) else read_all(0)    # every further run gets the same
    result = launch.run(first_schedule(opts), stdin, watcher=launch.reporter())
    from .run import tell
    status = tell(result, opts.verbose)
    if result.boot_errors:
        return status
    line = summary(opts.replay, result)
    if status:
        line += "; again: " + command_line(words)
    say(line)
    if status and opts.shrink:
        shrink(launch, words, result, stdin)
    return status


def command_line(words, more=()):
    """The command that runs the same again, without another search for fewer switches. more: further options."""
    at = words.index("--") if "--" in words else len(words)
    mine, kept = list(words[:at]), []
    while mine:
        word = mine.pop(0)
        if word == "--shrink-time":
            mine.pop(0)
        elif word != "--shrink" and not word.startswith("--shrink-time="):
            kept.append(word)
    return "./tutti run " + " ".join(shlex.quote(word) for word in kept + list(more) + list(words[at:]))


def read_all(fd):
    parts = []
    while True:
        part = os.read(fd, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


def ending(result):
    """What has to be the same for a failure to be the same: addresses and numbers of CPUs and threads may differ."""
    line = re.sub(r"0x[0-9a-fA-F]+", "0x", result.first_crash_line())
    return result.status, re.sub(r"\b(CPU|thread) \d+", r"\1", line)


def shrink(launch, words, first, stdin):
    """Find few switches that fail as `first` did; says them and leaves them in a file."""
    opts, seed = launch.opts, launch.opts.replay
    if not first.switches:
        say("nothing to shrink: the run made no switches" if first.switches is not None else "the run left no list of switches")
        return
    if len(first.switches) > SHRINK_MOST:
        say("%d switches are too many to shrink; a seed that fails sooner is wanted" % len(first.switches))
        return
    limit = min(launch.timeout or 1e9, max(5.0, 5 * first.seconds))
    if first.status == STATUS_TIMEOUT:
        limit = launch.timeout
    start, runs = time.monotonic(), 0

    class OutOfTime(Exception):
        pass

    def fails(switches):
        nonlocal runs
        if time.monotonic() - start > opts.shrink_time:
            raise OutOfTime
        runs += 1
        progress("shrinking: %d of %d switches, run %d" % (len(switches), len(first.switches), runs))
        again = Replay(seed, opts.strategy, opts.depth, switches)
        return ending(launch.run(again, stdin, None, None, limit, Watcher())) == ending(first)

    failing, done = [first.switches], "fewest"
    try:
        if not fails(first.switches):
            console.wipe()
            say("the list of its %d switches does not fail in the same way: not shrunk" % len(first.switches))
            return
        reduce(first.switches, fails, failing.append)
    except OutOfTime:
        done = "fewest within %g s" % opts.shrink_time
    best = failing[-1]
    console.wipe()
    folder = os.path.join(images.BUILD, "replay")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "%s-%d.switches" % (launch.name, seed))
    say("shrunk from %d switches to %d (%s; %d runs, %.0f s):" % (len(first.switches), len(best), done, runs, time.monotonic() - start))
    if not best:
        say("  none: the switches that a CPU has to make when it waits are enough")
    for point, cpu in best[:SHRINK_SHOWN]:
        say("  at point %d CPU %d goes on" % (point, cpu))
    if len(best) > SHRINK_SHOWN:
        say("  and %d more" % (len(best) - SHRINK_SHOWN))
    head = "# The switches of %s that fail as seed %d does.\n# seed %d\n" % (launch.name, seed, seed)
    images.write_file(path, head.encode() + switch_lines(best))
    say("again with these: " + command_line(words, ["--replay-list", os.path.relpath(path)]))


def reduce(items, fails, found):
    """ddmin, given that `items` fails: tells found() each smaller list that does; of the last one no single item can be left out."""
    if fails([]):
        found([])
        return
    parts = 2
    while len(items) >= 2:
        size = -(-len(items) // parts)
        chunks = [items[at:at + size] for at in range(0, len(items), size)]
        for chunk in chunks if parts > 2 else []:
            if fails(chunk):
                items, parts = chunk, 2
                break
        else:
            for number_left_out in range(len(chunks)):
                rest = [item for at, chunk in enumerate(chunks) if at != number_left_out for item in chunk]
                if fails(rest):
                    items, parts = rest, max(parts - 1, 2)
                    break
            else:
                if parts >= len(items):
                    return
                parts = min(len(items), 2 * parts)
                continue
        found(items)
