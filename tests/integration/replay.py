# SPDX-License-Identifier: BSD-3-Clause
"""Schedules from a seed: the same seed is the same run, other seeds are others, a failure can be run again, shrunk and listed."""

import os
import re

SUMMARY = re.compile(r"^tutti: replay seed (\d+) \((\w+)\): (\d+) points, (\d+) switches, hash ([0-9a-f]{16})(?:; again: (.*))?$", re.M)

# Four threads that get in each other's way, and print in the order in which they come.
FOUR = """
#include <pthread.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char order[401];
static int next;
static void *work(void *arg)
{
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&lock);
		order[next++] = *(char *)arg;
		pthread_mutex_unlock(&lock);
		free(malloc(100));
	}
	return NULL;
}
int main(void)
{
	pthread_t id[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&id[i], NULL, work, "abcd" + i);
	for (int i = 0; i < 4; i++)
		pthread_join(id[i], NULL);
	puts(order);
	return 0;
}
"""

# A lost update, which only some schedules show: both threads read before one of them writes.
LOST = """
#include <pthread.h>
static volatile int count;
static void *add(void *arg)
{
	for (int i = 0; i < 30; i++)
		count = count + 1;
	return arg;
}
int main(void)
{
	pthread_t id[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&id[i], NULL, add, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(id[i], NULL);
	return count == 60 ? 0 : 7;
}
"""


def replayed(t, program, seed, *args, check=None, **more):
    """(outcome, the parts of the summary line) of a replayed run."""
    outcome = t.tutti(["run", program, "--replay", str(seed), *args], check=check, **more)
    found = SUMMARY.search(outcome.err.decode())
    assert found and found.group(1) == str(seed), outcome
    return outcome, found.groups()


def test_same_seed(t):
    """Ten runs of one seed are one run: same output, same number of points, same hash."""
    program = t.c(FOUR)
    for strategy in ("walk", "pct"):
        seen = set()
        for _ in range(10):
            outcome, said = replayed(t, program, 12345, "-c", "4", "--strategy", strategy, check=0)
            assert said[1] == strategy, said
            seen.add((outcome.out, said[2:5]))
        assert len(seen) == 1, seen


def test_environment_does_not_matter(t):
    """Where the tree is, what the caller's environment holds and who is at the other end of the streams is not part of the schedule."""
    program = t.c(FOUR)
    first = replayed(t, program, 3, "-c", "2", check=0)[1]
    assert replayed(t, program, 3, "-c", "2", check=0, env=dict(os.environ, SOMETHING="x" * 5000))[1][2:5] == first[2:5]
    assert replayed(t, program, 3, "-c", "2", check=0, cwd="/")[1][2:5] == first[2:5]
    image = t.tutti(["run", program, "--replay", "3", "-c", "2", "--dry-run"], check=0).out.decode().split()
    image = next(word for word in image if word.startswith("/"))
    t.command(["cp", image, os.path.join(t.tmp, "elsewhere")], check=0)
    assert replayed(t, os.path.join(t.tmp, "elsewhere"), 3, "-c", "2", "--alloc", "mimalloc", check=0)[0].status == 0


def test_other_seeds(t):
    """A hundred seeds of a four-thread program are nearly all different runs."""
    program = t.c(FOUR)
    hashes = {replayed(t, program, seed, "-c", "4", check=0)[1][4] for seed in range(100)}
    assert len(hashes) >= 90, len(hashes)


test_other_seeds.timeout = 240


def test_failure(t):
    """Some seed loses an update; it says how to run it again, does so each time, and shrinks to a list that fails as well."""
    program = t.c(LOST, "lost.c")
    for seed in range(200):
        outcome, said = replayed(t, program, seed)
        if outcome.status == 7:
            break
        assert outcome.status == 0, outcome
    else:
        raise AssertionError("no seed of 200 loses an update")
    assert said[5] and "--replay %d" % seed in said[5], outcome
    for _ in range(3):
        assert replayed(t, program, seed, check=7)[1][4] == said[4]
    outcome, _ = replayed(t, program, seed, "--shrink", "--shrink-time", "20", check=7)
    text = outcome.err.decode()
    found = re.search(r"shrunk from (\d+) switches to (\d+) ", text)
    assert found and "(fewest; " in text and int(found.group(2)) < int(found.group(1)), outcome
    assert len(re.findall(r"^tutti:   at point \d+ CPU \d+ goes on$", text, re.M)) == int(found.group(2)), outcome
    path = re.search(r"--replay-list (\S+)", text).group(1)
    path = os.path.join(t.tmp, path)
    with open(path, encoding="ascii") as file:
        assert "# seed %d" % seed in file.read().splitlines()
    outcome = t.tutti(["run", program, "--replay-list", path], check=7)
    assert "(list)" in outcome.err.decode(), outcome
    # None of them can be left out.
    with open(path, encoding="ascii") as file:
        lines = file.readlines()
    for number, line in enumerate(lines):
        if not line.startswith("#"):
            fewer = t.write("fewer", "".join(lines[:number] + lines[number + 1:]))
            assert t.tutti(["run", program, "--replay-list", fewer]).status == 0, (line, lines)
    again = re.search(r"again with these: (.*)", text).group(1)
    assert "--shrink" not in again and "--replay-list" in again, again


test_failure.timeout = 240


def test_standard_input(t):
    """What is read does not depend on when it comes; with --shrink every run gets the same."""
    program = t.c('int c, n = 0; while ((c = getchar()) != EOF) n += c; printf("%d", n); return n ? 3 : 0;')
    data = bytes(range(200)) * 100
    first, said = replayed(t, program, 5, stdin=data, check=3)
    assert first.out == b"%d" % sum(data), first
    assert replayed(t, program, 5, stdin=data, check=3)[1][4] == said[4]
    outcome = t.tutti(["run", program, "--replay", "4", "--shrink", "--shrink-time", "5"], stdin=data, check=3)
    assert outcome.out == first.out, outcome


def test_time_is_virtual(t):
    """An hour's sleep takes no time, and the clock says it was an hour."""
    program = t.c('#include <time.h>\nint main(void)\n{\n\tstruct timespec a, b;\n\tclock_gettime(CLOCK_MONOTONIC, &a);\n\tsleep(3600);\n'
                  '\tclock_gettime(CLOCK_MONOTONIC, &b);\n\treturn b.tv_sec - a.tv_sec < 3600;\n}\n')
    outcome, _ = replayed(t, program, 1, check=0)
    assert outcome.seconds < 30, outcome


def test_deadlock(t):
    """All threads wait: a report with where each of them does, 134."""
    program = t.c("""
#include <pthread.h>
static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
static __attribute__((noinline)) void take_both(pthread_mutex_t *one, pthread_mutex_t *two)
{
	pthread_mutex_lock(one);
	usleep(1000);
	pthread_mutex_lock(two);
}
static void *second(void *arg)
{
	take_both(&b, &a);
	return arg;
}
int main(void)
{
	pthread_t id;
	pthread_create(&id, NULL, second, NULL);
	take_both(&a, &b);
	return 0;
}
""", "both.c")
    outcome, _ = replayed(t, program, 0, check=134)
    text = outcome.err.decode()
    assert "deadlock" in text and len(re.findall(r"take_both\+0x[0-9a-f]+ \([^)]*both\.c:\d+\)", text)) >= 2, outcome


def test_mistakes(t):
    for wrong in ("-1", "x", "", "1.5", str(1 << 63)):
        t.usage_error(["run", "hello", "--replay", wrong], "number from 0 to 9223372036854775807")
    t.usage_error(["run", "hello", "--replay", "1", "--plat", "vm"], "--plat host")
    t.usage_error(["run", "hello", "--replay", "1", "--check", "race"], "one of them")
    t.usage_error(["run", "hello", "--replay", "1", "--pin"], "--pin")
    t.usage_error(["run", "hello", "--replay", "1", "--strategy", "dfs"], "walk pct")
    t.usage_error(["run", "hello", "--replay", "1", "--depth", "3"], "pct")
    for option in (["--shrink"], ["--strategy", "walk"], ["--depth", "2"], ["--shrink-time", "5"]):
        t.usage_error(["run", "hello"] + option, "goes with --replay")
    t.usage_error(["run", "hello", "--replay-list", "/nonesuch"], "/nonesuch")
    t.usage_error(["run", "hello", "--replay-list", t.write("bad", b"one two\n")], "point and CPU")
    t.usage_error(["run", "hello", "--replay-list", t.write("seedless", b"1 0\n")], "--replay SEED")
    t.usage_error(["test", "--seeds", "5", "--plat", "vm"], "--plat host")
    image = t.tutti(["build", "hello", "--plat", "host"], check=0, cwd=t.root).out.decode().strip()
    t.usage_error(["run", os.path.join(t.root, image), "--replay", "1"], "replay")
