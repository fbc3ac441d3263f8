# SPDX-License-Identifier: BSD-3-Clause
"""`tutti bench`: the shape of what it prints. Figures are its business, not the tests'."""

import json
import os

HEADER = "benchmark allocator plat cpus threads ops seconds ops_per_s speedup peak_bytes".split()
QUICK = ["--rounds", "1", "--scale", "0.02", "--format", "tsv"]


def table(outcome):
    lines = [line.split("\t") for line in outcome.out.decode().splitlines()]
    assert lines[0] == HEADER, outcome
    assert all(len(line) == len(HEADER) for line in lines), outcome
    return [dict(zip(HEADER, line)) for line in lines[1:]]


def test_tsv(t):
    """One header line, one line per measurement, in which the figures belong together."""
    outcome = t.tutti(["bench", "cache-scratch", "cache-thrash", "--alloc", "buddy,mimalloc", "--cpus", "1,2", "--threads", "1,2"]
                      + QUICK + ["-o", "results"], check=0, timeout=170)
    rows = table(outcome)
    keys = [(row["benchmark"], row["allocator"], row["cpus"], row["threads"]) for row in rows]
    assert sorted(keys) == sorted((name, alloc, cpus, threads) for name in ("cache-scratch", "cache-thrash")
                                  for alloc in ("buddy", "mimalloc") for cpus in "12" for threads in "12"), keys
    for row in rows:
        assert row["plat"] == "vm" and int(row["ops"]) > 0 and int(row["peak_bytes"]) > 0, row
        rate = int(row["ops"]) / float(row["seconds"])
        assert abs(float(row["ops_per_s"]) / rate - 1) < 0.02, row
        if (row["cpus"], row["threads"]) == ("1", "1"):
            assert row["speedup"] == "1.000", row
    with open(os.path.join(t.tmp, "results", "results.tsv"), "rb") as file:
        assert file.read() == outcome.out
    with open(os.path.join(t.tmp, "results", "results.json")) as file:
        assert len(json.load(file)["results"]) == len(rows)


test_tsv.timeout = 180


def test_all(t):
    """Every benchmark runs and passes its own check."""
    names = [line.split()[0] for line in t.tutti(["list", "benchmarks"], check=0).out.decode().splitlines()]
    assert len(names) >= 6, names
    rows = table(t.tutti(["bench", "all", "--alloc", "mimalloc", "--cpus", "2", "--threads", "2"] + QUICK, check=0, timeout=170))
    assert [row["benchmark"] for row in rows] == names, rows
    assert all(float(row["speedup"]) > 0 for row in rows), "the base line was not run"


test_all.timeout = 180


def test_own_program(t):
    """A program of the user's: a row for each allocator and number of CPUs, its status no failure, ops and threads empty."""
    program = t.c("return 42;")
    outcome = t.tutti(["bench", program, "--alloc", "buddy,mimalloc", "--cpus", "1,2", "--format", "tsv"], check=0)
    rows = table(outcome)
    assert [(row["allocator"], row["cpus"]) for row in rows] == [("buddy", "1"), ("buddy", "2"), ("mimalloc", "1"), ("mimalloc", "2")]
    for row in rows:
        assert row["benchmark"] == "t" and row["ops"] == row["threads"] == row["ops_per_s"] == "", row
        assert float(row["seconds"]) >= 0 and row["peak_bytes"].isdigit(), row
    text = t.tutti(["bench", program, "--alloc", "buddy", "--cpus", "1", "--rounds", "1"], check=0).out.decode()
    assert "42" in text and "status" in text, text


def test_arguments(t):
    program = t.c('return argc == 3 && !strcmp(argv[2], "a b") ? 0 : 9;')
    args = ["bench", program, "--alloc", "buddy", "--cpus", "1", "--rounds", "1", "--format", "json", "--", "x", "a b"]
    facts = json.loads(t.tutti(args, check=0).out)
    assert [row["status"] for row in facts["results"]] == [0], facts


def test_failure_is_shown(t):
    """A program that dies is a failed row and status 1, not a figure."""
    program = t.c("__builtin_trap();")
    outcome = t.tutti(["bench", program, "--alloc", "buddy", "--cpus", "1", "--rounds", "1"], check=1)
    assert b"failed" in outcome.out and b"134" in outcome.err, outcome


def test_mistakes(t):
    t.usage_error(["bench", "cache-scratch", "--cpus", "1,x"], "1 to 64")
    t.usage_error(["bench", "cache-scratch", "--threads", "0"], "--threads")
    t.usage_error(["bench", "cache-scratch", "--rounds", "0"], "--rounds")
    t.usage_error(["bench", "cache-scratch", "--scale", "big"], "--scale")
    t.usage_error(["bench", "cache-scratch", "--format", "xml"], "table tsv json")
