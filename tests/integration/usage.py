# SPDX-License-Identifier: BSD-3-Clause
"""What the tool makes of its command line: option placement, and one clear line for each mistake."""

import os
import shlex

ALLOCATORS = ("region", "buddy", "mallocng", "mimalloc")


def test_option_placement(t):
    """Options before the name, after it, joined, long, and the program's own after `--`."""
    program = t.c('printf("%ld %d %s", sysconf(_SC_NPROCESSORS_CONF), argc, argc > 1 ? argv[1] : "");')
    for args in (["-c", "3", program], [program, "-c", "3"], ["-c3", program], [program, "--cpus=3"], ["--cpus", "3", program]):
        assert t.tutti(["run"] + args, check=0).out == b"3 1 ", args
    assert t.tutti(["run", program, "-c", "3", "--", "-c"], check=0).out == b"3 2 -c"
    assert t.tutti(["run", program], check=0).out == b"2 1 "


def test_unknown_allocator(t):
    outcome = t.usage_error(["run", "hello", "--alloc", "nonesuch"])
    for name in ALLOCATORS:
        assert name in outcome.lines()[0], outcome
    t.usage_error(["bench", "cache-scratch", "--alloc", "buddy,nonesuch"], *ALLOCATORS)


def test_every_allocator(t):
    program = t.c('void *p = malloc(100000); memset(p, 1, 100000); free(p); puts("ok");')
    for name in ALLOCATORS:
        assert t.tutti(["run", program, "--alloc", name], check=0).out == b"ok\n", name


def test_schedulers(t):
    program = t.c('puts("ok");')
    for name in ("preempt", "coop"):
        t.tutti(["run", program, "--sched", name], check=0)
    t.usage_error(["run", program, "--sched", "other"], "preempt coop")


def test_cpus(t):
    for wrong in ("0", "65", "-1", "two", "", "1.5", "1,2"):
        t.usage_error(["run", "hello", "-c", wrong], "1 to 64")


def test_memory(t):
    for wrong in ("", "lots", "-5", "0", "12X", "1.5G", "M", "0x10"):
        t.usage_error(["run", "hello", "-m", wrong], "size")
    for much in ("17G", "16385M", "99999999G"):
        t.usage_error(["run", "hello", "-m", much], "too much.*16G")
    for little in ("1", "1M", "4k", "1024K"):
        t.usage_error(["run", "hello", "-m", little], "too little")


def test_memory_sizes(t):
    program = t.c('puts("ok");')
    for size in ("16", "16M", "16m", "16MiB", "16384K", "1G", "16G"):
        assert t.tutti(["run", program, "-m", size], check=0).out == b"ok\n", size


def test_little_memory_is_one_line(t):
    """From nothing to enough: each size either runs the program or says in one line why not. Never a hang, never a crash."""
    program = t.c('puts("ok");')
    worked = []
    for size in range(1, 9):
        outcome = t.tutti(["run", program, "-m", "%dM" % size, "--timeout", "20"])
        if outcome.status == 0:
            worked.append(size)
            assert outcome.out == b"ok\n", outcome
        else:
            assert outcome.status == 2 and len(outcome.lines()) == 1 and outcome.lines()[0].startswith("tutti: "), (size, outcome)
            assert not worked, "%d MiB was enough and %d MiB is not" % (worked[0], size)
    assert worked, "8 MiB is not enough"


def test_kernel_keys(t):
    """The kernel names the keys and values it knows."""
    program = t.c("return 0;")
    outcome = t.usage_error(["run", program, "--append", "tutti.nonesuch=1"], "tutti.nonesuch")
    for key in ("tutti.alloc", "tutti.sched"):
        assert key in outcome.lines()[0], outcome
    t.usage_error(["run", program, "--append", "tutti.sched=sometimes"], "preempt", "coop")
    image = t.tutti(["build", program], check=0, cwd=t.tmp).out.decode().strip()
    t.usage_error(["run", os.path.join(t.tmp, image), "--append", "tutti.alloc=nonesuch"], *ALLOCATORS)


def test_other_mistakes(t):
    t.usage_error(["run"], "APP")
    t.usage_error(["run", "hello", "world"], "--")
    t.usage_error(["run", "nonesuch"], "hello")
    t.usage_error(["run", "nonesuch.c"], "nonesuch.c")
    t.usage_error(["run", t.write("text", b"no image")], "ELF")
    t.usage_error(["run", "/bin/ls"], "PVH")
    t.usage_error(["run", "--nonesuch", "hello"], "--nonesuch", "--help")
    t.usage_error(["run", "hello", "--cpus"], "--cpus")
    t.usage_error(["run", "hello", "--verbose=1"], "--verbose")
    t.usage_error(["run", "hello", "--timeout", "soon"], "seconds")
    t.usage_error(["run", "hello", "--timeout", "0"], "seconds")
    t.usage_error(["run", "hello", "--machine", "pc"], "microvm", "q35")
    t.usage_error(["run", "hello", "--accel", "xen"], "kvm")
    t.usage_error(["run", "hello", "--config", "nonesuch"], "default", "minimal")
    t.usage_error(["run", "hello", "-e", "=x"], "K=V")
    t.usage_error(["run", "hello", "--files", "/nonesuch"], "/nonesuch")
    t.usage_error(["run", "hello", "--alloc-src", "mimalloc"], "NAME=DIR")
    t.usage_error(["run", "hello", "--alloc-src", "mimalloc=/nonesuch"], "/nonesuch")
    t.usage_error(["run", "hello", "--alloc-src", "buddy=" + t.tmp], "mimalloc")
    t.usage_error(["run", "hello", "--alloc-src", "mimalloc=" + t.tmp], "static.c")
    t.usage_error(["nonesuch"], "run", "bench")
    t.usage_error(["test", "nonesuch-test"], "nonesuch-test")
    t.usage_error(["bench", "nonesuch"], "cache-scratch")
    t.usage_error(["build"], "APP")
    t.usage_error(["list", "nonesuch"], "apps")


def test_later(t):
    """What comes with a later release says so."""
    for args in (["run", "hello", "-p", "80:80"], ["run", "-v", "/tmp:/x", "hello"], ["debug", "hello"]):
        t.usage_error(args, "later release")


def test_compile_error(t):
    """gcc's messages come first, then one line of ours."""
    outcome = t.tutti(["run", t.c("return nonesuch;")])
    assert outcome.status == 2 and outcome.out == b"", outcome
    assert "nonesuch" in outcome.lines()[1] or "nonesuch" in outcome.lines()[0], outcome
    assert outcome.lines()[-1].startswith("tutti: ") and "does not compile" in outcome.lines()[-1], outcome
    outcome = t.tutti(["run", t.c("int nonesuch(void); return nonesuch();")])
    assert outcome.status == 2 and "does not link" in outcome.lines()[-1], outcome


def test_help(t):
    for args in (["--help"], ["run", "--help"], ["bench", "-h"], ["build", "--help"], ["test", "--help"], ["list", "--help"]):
        outcome = t.tutti(args, check=0)
        assert outcome.out.startswith(b"usage: ./tutti") and outcome.err == b"", outcome
    outcome = t.tutti([])
    assert outcome.status == 2 and outcome.out == b"" and b"usage" in outcome.err


def test_list(t):
    text = t.tutti(["list"], check=0).out.decode()
    for word in ("hello", "cache-scratch", "larson", "mimalloc", "minimal", "integration/usage list"):
        assert word in text, (word, text)
    assert t.tutti(["list", "configs"], check=0).out.split() == [b"debug", b"default", b"lockstat", b"minimal"]


def test_dry_run(t):
    """The command line of --dry-run starts the same program by hand."""
    program = t.c('puts("by hand"); fputs(argv[1], stderr); return 0;')
    line = t.tutti(["run", program, "--dry-run", "-c", "1", "-m", "64M", "--", "two words"], check=0).out.decode()
    words = shlex.split(line)
    assert words[0] == "qemu-system-x86_64" and line.count("\n") == 1, line
    assert words[words.index("-smp") + 1] == "1" and words[words.index("-m") + 1] == "64M", words
    outcome = t.command(words, timeout=30)
    assert outcome.status % 2 == 1 and b"by hand" in outcome.out and b"two words" in outcome.err, outcome


def test_quiet(t):
    """Nothing but the program's own output; --verbose adds the kernel's log on standard error."""
    outcome = t.tutti(["run", "hello", "-c", "4"], check=0)
    assert outcome.err == b"" and len(outcome.out.splitlines()) == 4, outcome
    loud = t.tutti(["run", "hello", "-c", "4", "--verbose"], check=0)
    assert len(loud.out.splitlines()) == 4 and loud.err, loud
    assert all(line.startswith("tutti: ") for line in loud.lines()), loud


def test_from_any_folder(t):
    """The tool works from any folder and through a symbolic link; paths are the caller's."""
    t.c("return 7;", "seven.c")
    link = os.path.join(t.tmp, "tt")
    os.symlink(t.tool, link)
    t.command([link, "run", "seven.c"], check=7)


def test_two_runs_at_once(t):
    """Runs of the same and of different programs, started together, do not disturb each other."""
    shared = t.c('printf("%s", argv[1]); return atoi(argv[1]);', "shared.c")
    tools = [t.popen(["run", shared, "--", str(number)]) for number in range(3)]
    tools.append(t.popen(["run", t.c("return 3;", "other.c")]))
    for number, tool in enumerate(tools):
        out, err = tool.communicate(timeout=60)
        assert tool.returncode == number, (number, tool.returncode, err)
        assert out == (str(number).encode() if number < 3 else b"") and err == b"", (out, err)


def test_rebuild(t):
    """A changed file is built again, an unchanged one is not."""
    program = t.c("return 1;")
    t.tutti(["run", program], check=1)
    t.c("return 2;")
    t.tutti(["run", program], check=2)
    image = os.path.join(t.tmp, t.tutti(["build", program], check=0).out.decode().strip())
    before = os.stat(image).st_mtime_ns
    t.tutti(["run", program], check=2)
    assert os.stat(image).st_mtime_ns == before
