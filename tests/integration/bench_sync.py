# SPDX-License-Identifier: BSD-3-Clause
"""`tutti bench sync`: every figure is there, passes its own check and stands in the right place. How fast is its business, not the tests'.

The short runs have rounds of a fraction of a millisecond. The Linux kernel for --vs linux comes from dl/ or from the mirror; the tests
of its errors use folders of their own and never the network's copy.
"""

import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time

from tuttilib import bench_sync, images, linux_guest

QUICK = ["bench", "sync", "--rounds", "1", "--scale", "0.1"]


def may_be_absent(name, system):
    """Where a figure need not be had; it then says why."""
    if system != "tutti":
        return name == "timer_100000"           # on Linux as many timers as the user may have
    if name == "rcu_read_scaling":
        return not os.path.exists(os.path.join(images.ROOT, "include", "tutti", "rcu.h"))
    with open(os.path.join(images.ROOT, "posix", "table.c"), encoding="utf-8") as file:
        return name.startswith("timer_") and "CALL(timer_create, timer_create," not in file.read()


def expected():
    return {(name, cpus) for name, (least, most) in bench_sync.known_figures().items() for cpus in (1, 2) if least <= cpus <= most}


def check_report(facts, systems):
    """Every figure once; each system has times that make sense, or says why it has none."""
    rows = {(row["figure"], row["cpus"]): row for row in facts["results"]}
    assert len(rows) == len(facts["results"]) and set(rows) == expected(), sorted(set(rows) ^ expected())
    assert not facts["failures"], facts["failures"]
    for (name, _), row in rows.items():
        assert set(row["systems"]) == set(systems), row
        for system, found in row["systems"].items():
            if found["absent"]:
                assert may_be_absent(name, system) and found["ns"] is None, row
            elif name in bench_sync.own_figures() and system != "tutti":
                assert not found["runs"], row
            else:
                assert 0 < found["ns"] <= found["median_ns"] < 1e9, row
        for system, ratio in row["ratios"].items():
            mine, other = row["systems"]["tutti"]["ns"], row["systems"][system]["ns"]
            assert (ratio is None) == (mine is None or other is None), row
            assert ratio is None or abs(ratio * other / mine - 1) < 0.001, row
        aimed = [row["ratios"][aim["against"]] if aim["against"] != "better" else max(row["ratios"].values(), key=lambda r: r or 0)
                 for aim in row["targets"]]
        if row["targets"] and None not in aimed:
            met = all(ratio <= aim["at_most"] + 0.0005 for ratio, aim in zip(aimed, row["targets"]))
            assert row["met"] == met, row
        elif not row["targets"]:
            assert row["met"] is None, row


def need_cpus(t):
    if len(os.sched_getaffinity(0)) < 2:
        t.skip("this computer has one CPU")


def test_host(t):
    """Against both Linux programs: JSON and TSV say the same, and the aims are judged by the ratios shown."""
    need_cpus(t)
    outcome = t.tutti(QUICK + ["--vs", "native", "--format", "tsv", "-o", "results"], check=0, timeout=170)
    lines = [line.split("\t") for line in outcome.out.decode().splitlines()]
    assert all(len(line) == len(lines[0]) for line in lines), outcome
    with open(os.path.join(t.tmp, "results", "results.tsv"), "rb") as file:
        assert file.read() == outcome.out
    with open(os.path.join(t.tmp, "results", "results.json"), encoding="utf-8") as file:
        facts = json.load(file)
    check_report(facts, ("tutti", "musl", "glibc"))
    for words, row in zip(lines[1:], facts["results"]):
        line = dict(zip(lines[0], words))
        assert (line["figure"], line["cpus"]) == (row["figure"], str(row["cpus"])), line
        ns = row["systems"]["tutti"]["ns"]
        assert line["tutti_ns"] == ("" if ns is None else "%.2f" % ns), line
        assert line["met"] == {True: "yes", False: "no", None: ""}[row["met"]], line
    assert any(item["name"].startswith("pairs") and item["target"] == 1.9 for item in facts["derived"]), facts["derived"]


test_host.timeout = 180


def test_machine(t):
    """On vm, tutti alone, as a table."""
    text = t.tutti(QUICK + ["--only", "mutex,condition,wake,create_join"], check=0, timeout=110).out.decode()
    rows = [line.split() for line in text.splitlines() if re.match(r"\w+ +[12] ", line)]
    assert sorted((row[0], row[1]) for row in rows) == sorted(
        [("mutex", "1")] + [(name, cpus) for name in ("condition", "wake", "create_join") for cpus in "12"]), text
    assert all(0 < float(row[2]) <= float(row[3]) for row in rows), text


test_machine.timeout = 120


def test_linux_guest(t):
    """End to end: the pinned kernel, both programs in it, every figure; nothing of QEMU is left."""
    outcome = t.tutti(QUICK + ["--vs", "linux", "--format", "json"], timeout=290)
    if outcome.status == 2 and b"cannot be had" in outcome.err:
        t.skip(outcome.lines()[0])
    assert outcome.status == 0, outcome
    facts = json.loads(outcome.out)
    check_report(facts, ("tutti", "musl", "glibc"))
    assert facts["linux"] in [package.version for package in linux_guest.read_lock()], facts["linux"]
    timers = [row for row in facts["results"] if row["figure"] == "timer_100000"]
    assert all(timers[0]["systems"][libc]["ns"] for libc in ("musl", "glibc")), timers
    # A kernel that does not find its init is one line with its last word, not a wait until the time-out.
    outcome = t.tutti(QUICK + ["--vs", "linux", "--cpus", "1", "--only", "mutex", "--linux-append", "rdinit=/nowhere"], check=1, timeout=120)
    assert re.search(rb"the Linux kernel did not come up.*: .", outcome.err), outcome


test_linux_guest.timeout = 300


def test_lines(t):
    """What the program says wrong is noticed: a failed check, an impossible time, a figure that is missing, an early end."""
    good = "@sync name=mutex cpus=1 ns=2.00 median=3.00 rounds=1 ops=1 check=ok\n@sync name=spin cpus=1 absent=ENOSYS\n"
    figures = bench_sync.Figures()
    assert figures.put("musl", good + "@sync end\n", ["mutex", "spin", "tutti_spin"], 1) is None
    assert figures.put("tutti", good.replace("2.00", "1.00") + "@sync end\n", ["mutex", "spin"], 1) is None
    assert figures.ratio(("mutex", 1), "musl") == figures.ratio(("mutex", 1), bench_sync.BETTER) == 0.5
    assert figures.ratio(("mutex", 1), "glibc") is None and figures.ratio(("spin", 1), "musl") is None
    for text, pattern in ((good, "ended"), (good + "@sync end\n", "yield is missing"), ("", "ended"),
                          (good.replace("ok", "failed"), "check"), (good.replace("ns=2.00", "ns=0.00"), "impossible"),
                          (good.replace("median=3.00", "median=1.00"), "impossible"), (good.replace("2.00", "x"), "no sense")):
        said = bench_sync.Figures().put("glibc", text, ["mutex", "spin", "yield"], 1)
        assert said and pattern in said, (said, pattern)


def test_interrupt(t):
    """Ctrl-C in the middle of a machine's run: status 130, no QEMU left."""
    process = t.popen(["bench", "sync", "--only", "mutex", "--cpus", "1", "--rounds", "100"])
    end = time.monotonic() + 100
    while not t.qemus(process.pid):
        assert process.poll() is None and time.monotonic() < end, "no machine was started"
        time.sleep(0.02)
    machines = t.qemus(process.pid)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and out == b"", (process.returncode, out, err)
    for pid in machines:
        assert not os.path.exists("/proc/%d" % pid) or "qemu" not in open("/proc/%d/comm" % pid).read(), "QEMU is left"


test_interrupt.timeout = 140


# ---- the kernel package ----------------------------------------------------------------------------------------------

def fetch(t, *args, prefix=()):
    """linux_guest.py with folders of the test's own."""
    tool = os.path.join(t.root, "tools")
    code = "import sys; sys.path.insert(0, %r); from tuttilib import linux_guest; sys.exit(linux_guest.main(sys.argv[1:]))" % tool
    return t.command(list(prefix) + [sys.executable, "-c", code, "--dl", os.path.join(t.tmp, "dl"), "--out", os.path.join(t.tmp, "out")]
                     + list(args))


def one_line(outcome, *patterns):
    lines = outcome.lines()
    assert outcome.status == 2 and outcome.out == b"" and len(lines) == 1 and lines[0].startswith("tutti: "), outcome
    for pattern in patterns:
        assert re.search(pattern, lines[0]), (pattern, lines[0])


def ar_member(name, data):
    head = b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name.encode(), 0, 0, 0, b"100644", len(data))
    return head + data + b"\n" * (len(data) % 2)


def package(kernel, member="data.tar.xz"):
    """A .deb that holds such a boot image (None: none)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as tar:
        for name, data in (("./usr/share/doc/copyright", b"odd"), ("./boot/vmlinuz-1-cloud-amd64", kernel)):
            if data is not None:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return linux_guest.MAGIC + ar_member("debian-binary", b"2.0\n") + ar_member("control.tar.xz", b"odd") + ar_member(member, out.getvalue())


def lock(t, name, data):
    return t.write("linux.lock", "[1]\npackage = linux-image-nowhere-cloud-amd64\nversion = 1-1\nfile = %s %s\n" % (
        name, hashlib.sha256(data).hexdigest()))


def test_package(t):
    """The boot image comes out of the package byte by byte; it stays usable when the package is gone, and goes with its SHA-256."""
    deb = package(b"the kernel")
    t.write("dl/a.deb", deb)
    path = lock(t, "a.deb", deb)
    for _ in range(2):
        outcome = fetch(t, "--lock", path)
        assert outcome.status == 0, outcome
        with open(outcome.out.decode().strip(), "rb") as file:
            assert file.read() == b"the kernel"
        if os.path.exists(os.path.join(t.tmp, "dl", "a.deb")):
            os.unlink(os.path.join(t.tmp, "dl", "a.deb"))


def test_wrong_hash(t):
    name = linux_guest.read_lock()[0].file
    t.write("dl/" + name, b"not what was pinned")
    one_line(fetch(t), "SHA-256", re.escape(name), linux_guest.read_lock()[0].sha)
    assert os.listdir(os.path.join(t.tmp, "out")) == [".lock"]


def test_damaged_package(t):
    """What is pinned and yet no kernel package is said to be so."""
    for data, pattern in ((b"text", "ar archive"), (linux_guest.MAGIC + b"x" * 70, "damaged"), (package(b"k", "other"), "data.tar"),
                          (package(None), "no vmlinuz"), (package(b"k", "data.tar.zst"), "zstd"), (package(b"k" * 1000)[:-60], "damaged")):
        t.write("dl/a.deb", data)
        one_line(fetch(t, "--lock", lock(t, "a.deb", data)), "a.deb", pattern)


def test_no_network(t):
    """Without network and package the line says what to put where."""
    prefix = ["unshare", "-r", "-n"]
    if not shutil.which("unshare") or subprocess.run(prefix + ["true"], stderr=subprocess.DEVNULL).returncode:
        t.skip("this machine lets nobody take the network away (unshare -n)")
    one_line(fetch(t, prefix=prefix), "network|mirror", "dl/", re.escape(linux_guest.read_lock()[0].file))


def test_gone_from_the_mirror(t):
    """A package that the mirror does not have: one line with its name, where to put it, nothing left in dl/."""
    path = lock(t, "linux-image-nowhere-cloud-amd64_1-1_amd64.deb", b"")
    one_line(fetch(t, "--lock", path), "linux-image-nowhere-cloud-amd64", "dl/|network|mirror")
    left = os.listdir(os.path.join(t.tmp, "dl")) if os.path.isdir(os.path.join(t.tmp, "dl")) else []
    assert not left, left


def test_mistakes(t):
    t.usage_error(["bench", "sync", "--only", "mutex,nonesuch"], "nonesuch", "mutex .*yield")
    t.usage_error(["bench", "sync", "--only", "yield", "--cpus", "2"], "yield", "--cpus 1")
    t.usage_error(["bench", "sync", "--only", ""], "--only")
    t.usage_error(["bench", "sync", "--cpus", "4"], "1 and 2 CPUs")
    t.usage_error(["bench", "sync", "--vs", "windows"], "native linux")
    t.usage_error(["bench", "sync", "--vs", "linux", "--plat", "host"], "vm")
    t.usage_error(["bench", "sync", "--vs", "native", "--plat", "vm"], "host")
    t.usage_error(["bench", "sync", "--plat", "vm,host"], "one platform")
    t.usage_error(["bench", "sync", "--linux-append", "x"], "--vs linux")
    t.usage_error(["bench", "sync", "--threads", "2"], "--threads")
    t.usage_error(["bench", "sync", "--alloc", "buddy,mimalloc"], "one allocator")
    t.usage_error(["bench", "sync", "larson"], "alone")
    t.usage_error(["bench", "larson", "--only", "mutex"], "bench sync")
    t.usage_error(["bench", "larson", "--vs", "linux"], "native")
    t.usage_error(["bench", "sync", "--", "x"], "arguments")


test_mistakes.timeout = 120
