# SPDX-License-Identifier: BSD-3-Clause
"""--plat host: what a user meets is the same as on vm, without QEMU, as an ordinary user. Each test of streams, crash and exit_status
that says nothing of machines runs here again, on host."""

import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess

# Tests of other files that are about the virtual machine itself.
ABOUT_MACHINES = {"q35", "triple_fault", "killed_qemu", "missing_qemu"}
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]


class OnHost:
    """A Context whose ./tutti runs and builds for host."""

    def __init__(self, t):
        self.t = t

    def __getattr__(self, name):
        return getattr(self.t, name)

    @staticmethod
    def words(args):
        args = list(args)
        return args[:1] + ["--plat", "host"] + args[1:] if args[:1] and args[0] in ("run", "build") else args

    def tutti(self, args, **more):
        return self.t.tutti(self.words(args), **more)

    def popen(self, args, **more):
        return self.t.popen(self.words(args), **more)

    def command(self, command, **more):
        words = list(command)
        if words[:2] == ["sh", "-c"]:
            words[2] = words[2].replace("run ", "run --plat host ")
        return self.t.command(words, **more)

    @staticmethod
    def qemus(parent):
        """Here: the processes that the tool has started."""
        found = []
        for pid in os.listdir("/proc"):
            if pid.isdigit():
                try:
                    with open("/proc/%s/stat" % pid) as file:
                        if file.read().rpartition(")")[2].split()[1] == str(parent):
                            found.append(int(pid))
                except (OSError, IndexError):
                    pass
        return found


def borrow(stem):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), stem + ".py")
    spec = importlib.util.spec_from_file_location("tutti_integration_host_" + stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def again(name, function):
        def test(t):
            function(OnHost(t))
        test.__name__ = name
        test.timeout = getattr(function, "timeout", 60)
        return test

    for name, item in list(vars(module).items()):
        if name.startswith("test_") and name[5:] not in ABOUT_MACHINES:
            name = "test_%s_%s" % (stem, name[5:])
            globals()[name] = again(name, item)


for borrowed in ("streams", "exit_status", "crash"):
    borrow(borrowed)


def without_qemu(t):
    """A folder with every program of the computer but QEMU, for PATH; Debian's python3 goes first."""
    folder = os.path.join(t.tmp, "bin")
    os.mkdir(folder)
    for place in ("/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"):
        for name in os.listdir(place) if os.path.isdir(place) else ():
            if not name.startswith(("qemu", "kvm")) and not os.path.lexists(os.path.join(folder, name)):
                os.symlink(os.path.join(place, name), os.path.join(folder, name))
    assert shutil.which("qemu-system-x86_64", path=folder) is None
    return folder


def users_copy(t):
    """The tree as an ordinary user has it after a build, in a folder of the test's own; returns its path."""
    t.tutti(["build", "hello", "--plat", "host"], check=0)
    copy = os.path.join(t.tmp, "tree")
    os.mkdir(copy)
    for name in os.listdir(t.root):
        path = os.path.join(t.root, name)
        if name not in ("build", "dl") and not name.startswith("."):
            t.command(["cp", "-a", path, copy], check=0)
    os.mkdir(os.path.join(copy, "build"))
    for name in ("default-host", "musl", "src"):
        t.command(["cp", "-a", os.path.join(t.root, "build", name), os.path.join(copy, "build")], check=0)
    for name in ("link.json", ".stamp.json"):       # these hold the other tree's path
        os.unlink(os.path.join(copy, "build", "default-host", name))
    os.chmod(t.tmp, 0o755)
    t.command(["chown", "-R", "65534:65534", t.tmp], check=0)
    return copy


def test_ordinary_user(t):
    """./tutti run hello --plat host -c 4 works for a user without any rights, where there is no QEMU to be found."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        t.skip("only root can become another user")
    env = {"PATH": without_qemu(t), "HOME": t.tmp}
    copy = users_copy(t)
    command = NOBODY + [os.path.join(copy, "tutti"), "run", "hello", "--plat", "host", "-c", "4"]
    outcome = t.command(command, env=env, check=0)
    assert outcome.err == b"" and sorted(outcome.out.splitlines()) == [b"hello from CPU %d of 4" % cpu for cpu in range(4)], outcome
    outcome = t.command(NOBODY + ["make", "-C", copy, "kernel", "PLAT=host"], env=env, check=0)
    assert b"qemu" not in outcome.out + outcome.err, outcome


test_ordinary_user.timeout = 300


def test_no_qemu(t):
    """No command with --plat host asks for QEMU, nor does set-up for it."""
    env = {"PATH": without_qemu(t)}
    program = t.c('puts("ok"); return 3;')
    assert t.tutti(["run", program, "--plat", "host"], env=env, check=3).out == b"ok\n"
    image = t.tutti(["build", program, "--plat", "host"], env=env, cwd=t.tmp, check=0).out.decode().strip()
    assert t.tutti(["run", os.path.join(t.tmp, image)], env=env, check=3).out == b"ok\n"
    t.tutti(["cc", "--plat", "host", program, "-o", "own"], env=env, cwd=t.tmp, check=0)
    assert t.command([os.path.join(t.tmp, "own")], check=3).out == b"ok\n"
    t.command(["python3", os.path.join(t.root, "tools", "tuttilib", "setup.py"), "--check", "build"], env=env, check=0)


def test_mistakes(t):
    for args in (["--machine", "q35"], ["--machine", "microvm"], ["--accel", "kvm"], ["--accel", "auto"]):
        t.usage_error(["run", "hello", "--plat", "host"] + args, "--plat vm")
        t.usage_error(["bench", "--plat", "host"] + args, "--plat vm")
    t.usage_error(["run", "hello", "--pin"], "--plat host")
    t.usage_error(["run", "hello", "--plat", "xen"], "vm host")
    t.usage_error(["bench", "--plat", "vm,xen"], "vm host")
    t.usage_error(["run", "hello", "--plat", "host", "-c", "65"], "1 to 64")
    t.usage_error(["run", "hello", "--plat", "host", "--append", "tutti.nonesuch=1"], "tutti.nonesuch", "tutti.alloc")
    t.usage_error(["run", "hello", "--plat", "host", "-m", "64K"], "memory|-m")
    t.usage_error(["run", "hello", "--check", "nonesuch"], "race memory undefined")
    t.usage_error(["run", "hello", "--check", "memory", "--plat", "vm"], "host")
    t.usage_error(["bench", "--vs", "bsd"], "native")
    program = t.c("return 0;")
    for plat, other in (("vm", "host"), ("host", "vm")):
        image = t.tutti(["build", program, "--plat", plat], check=0, cwd=t.tmp).out.decode().strip()
        t.usage_error(["run", os.path.join(t.tmp, image), "--plat", other], "is an image for --plat " + plat)


def test_cpus(t):
    program = t.c('printf("%ld", sysconf(_SC_NPROCESSORS_CONF));')
    for count in ("1", "3", "64"):
        assert t.tutti(["run", program, "--plat", "host", "-c", count], check=0).out == count.encode()
    assert t.tutti(["run", program, "--plat", "host", "-c", "2", "--pin"], check=0).out == b"2"


def test_memory_is_a_limit(t):
    """-m is what there is, not what the computer has."""
    program = t.c("""
	size_t got = 0;
	while (malloc(1 << 20))
		got++;
	printf("%zu", got);
""")
    small, large = (int(t.tutti(["run", program, "--plat", "host", "-m", size], check=0).out) for size in ("64M", "256M"))
    assert 32 <= small <= 64 and 128 <= large <= 256, (small, large)


def test_plain_program(t):
    """Started by hand, with nothing but its own arguments, the image runs with the defaults."""
    program = t.c('printf("%s %d %s %s", strrchr(argv[0], \'/\') ? "path" : "name", argc, argv[1], getenv("SAID") ?: "-"); return 9;')
    image = os.path.join(t.tmp, t.tutti(["build", program, "--plat", "host"], check=0, cwd=t.tmp).out.decode().strip())
    outcome = t.command([image, "one"], env={"SAID": "yes"}, check=9)
    assert outcome.out == b"path 2 one yes" and outcome.err == b"", outcome
    outcome = t.command([image, "one"], env={"TUTTI_KEYS": "tutti.nonesuch=1"})
    assert outcome.status == 2 and outcome.err.startswith(b"tutti: ") and b"tutti.nonesuch" in outcome.err, outcome


def test_crash_by_hand(t):
    """Without a control channel the report goes to standard error, with 134 too."""
    program = t.c("__builtin_trap();")
    image = os.path.join(t.tmp, t.tutti(["build", program, "--plat", "host"], check=0, cwd=t.tmp).out.decode().strip())
    outcome = t.command([image], check=134)
    lines = outcome.lines()
    assert lines and all(line.startswith("tutti: ") for line in lines) and "backtrace" in outcome.err.decode(), outcome


def test_dry_run(t):
    program = t.c('puts("by hand"); fputs(argv[1], stderr); FILE *f = fopen("/note", "r"); return f ? getc(f) : 1;')
    t.write("tree/note", b"\x07")
    line = t.tutti(["run", program, "--plat", "host", "--dry-run", "-c", "3", "--files", os.path.join(t.tmp, "tree"), "--", "two words"],
                   check=0).out.decode()
    assert line.count("\n") == 1 and "tutti.cpus=3" in line, line
    outcome = t.command(["sh", "-c", line], check=7)
    assert outcome.out == b"by hand\n" and outcome.err == b"two words", outcome


def test_debugger(t):
    """gdb starts it, stops where it is told to and is not disturbed by the kernel's signals."""
    if not shutil.which("gdb"):
        t.skip("no gdb here")
    program = t.c('__attribute__((noinline)) int stop_here(int n)\n{\n\treturn n + 1;\n}\n'
                  'int main(int argc, char **argv)\n{\n\tvolatile char *p = malloc(1 << 22);\n'
                  '\tfor (int i = 0; i < 1 << 22; i += 4096) p[i] = 1;\n\tusleep(20000);\n'
                  '\tprintf("%s", argv[1]);\n\tfflush(stdout);\n\treturn stop_here(argc + 40);\n}\n', "stop.c")
    script = b"set pagination off\nset confirm off\nbreak stop_here\nrun\nbacktrace\ncontinue\nquit\n"
    outcome = t.tutti(["debug", program, "--plat", "host", "--", "words"], stdin=script)
    text = outcome.out.decode("utf-8", "replace") + outcome.err.decode("utf-8", "replace")
    assert re.search(r"stop_here \(n=\S+\)\s+at \S*stop\.c:\d+", text) and "words" in text, outcome
    assert re.search(r"exited with code 053", text), outcome
    assert "received signal" not in text, outcome


def test_no_room_left_behind(t):
    """A run leaves nothing in /dev/shm, in the temporary folder or among the processes."""
    places = [place for place in ("/dev/shm", "/tmp") if os.path.isdir(place)]
    before = {place: set(os.listdir(place)) for place in places}
    t.tutti(["run", "hello", "--plat", "host"], check=0)
    for place in places:
        left = [name for name in set(os.listdir(place)) - before[place] if "tutti" in name and not name.startswith("tutti-test-")]
        assert not left, left


def test_terminal_job(t):
    """A run in the background of a terminal is a job like any other: Ctrl-C there ends it, tool and process, with 130."""
    program = t.c('write(1, "ready", 5); for (;;) pause();')
    line = "%s run %s --plat host" % (shlex.quote(t.tool), shlex.quote(program))
    tool = t.command_popen(["sh", "-c", "exec " + line])
    try:
        assert os.read(tool.stdout.fileno(), 5) == b"ready"
        children = OnHost.qemus(tool.pid)
        assert len(children) == 1, children
        os.killpg(tool.pid, signal.SIGINT)
        _, err = tool.communicate(timeout=20)
        assert tool.returncode == 130 and err == b"tutti: interrupted\n", (tool.returncode, err)
    finally:
        if tool.poll() is None:
            tool.kill()
            tool.communicate()


def test_two_at_once(t):
    shared = t.c('printf("%s", argv[1]); return atoi(argv[1]);', "shared.c")
    tools = [t.popen(["run", shared, "--plat", "host", "--", str(number)]) for number in range(4)]
    for number, tool in enumerate(tools):
        out, err = tool.communicate(timeout=60)
        assert (tool.returncode, out, err) == (number, str(number).encode(), b""), (tool.returncode, out, err)


def test_bench(t):
    """The table of the same program on host and as a Linux program: both plats in the tsv, and a ratio."""
    out = t.tutti(["bench", "cache-scratch", "--plat", "host", "--vs", "native", "--alloc", "mimalloc", "--rounds", "1", "--scale", "0.05",
                   "--threads", "1", "--cpus", "1", "--format", "tsv"], check=0).out.decode()
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[0][2] == "plat" and rows[0][-1] == "vs_native", rows
    assert [row[2] for row in rows[1:]] == ["native", "host"], rows
    assert float(rows[2][-1]) > 0.1 and rows[1][-1] == "", rows


def test_bench_boot(t):
    out = t.tutti(["bench", "boot", "--plat", "host", "--rounds", "2"], check=0).out.decode()
    assert out.splitlines()[0].startswith("machine\t") and len(out.splitlines()) == 5, out


def test_perf(t):
    """perf follows the image as any program."""
    if not shutil.which("perf") or subprocess.run(["perf", "stat", "true"], stderr=subprocess.DEVNULL).returncode:
        t.skip("perf is not installed or may not be used here")
    image = os.path.join(t.root, t.tutti(["build", "hello", "--plat", "host"], check=0, cwd=t.root).out.decode().strip())
    outcome = t.command(["perf", "record", "-o", os.path.join(t.tmp, "perf.data"), image], cwd=t.tmp)
    assert outcome.status == 0 and b"hello from CPU" in outcome.out, outcome
