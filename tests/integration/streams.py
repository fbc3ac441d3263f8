# SPDX-License-Identifier: BSD-3-Clause
"""What goes in and comes out: standard streams, arguments, environment, files. Byte for byte."""

import os
import subprocess
import time

CAT = """
static char buffer[70000];
int main(int argc, char **argv)
{
	size_t size = argc > 1 ? atoi(argv[1]) : sizeof(buffer);
	ssize_t n;
	while ((n = read(0, buffer, size)) > 0)
		for (ssize_t at = 0, done; at < n; at += done)
			if ((done = write(1, buffer + at, n - at)) < 0)
				return 1;
	return n != 0;
}
"""


def test_mebibyte(t):
    """A mebibyte of random bytes through standard input and output, on each number of CPUs."""
    program, data = t.c(CAT), os.urandom(1 << 20)
    for cpus in ("1", "2", "4"):
        outcome = t.tutti(["run", program, "-c", cpus], stdin=data, check=0, timeout=100)
        assert outcome.out == data, "%d bytes came back, the first difference is at %d" % (
            len(outcome.out), next((i for i, (a, b) in enumerate(zip(outcome.out, data)) if a != b), min(len(data), len(outcome.out))))
        assert outcome.err == b"", outcome.err


test_mebibyte.timeout = 320


def test_odd_reads(t):
    """Sizes around the framing's 255, and reads of one byte."""
    program = t.c(CAT)
    for size in (0, 1, 254, 255, 256, 511, 4096):
        data = os.urandom(size)
        assert t.tutti(["run", program, "--", "1" if size < 600 else "1000"], stdin=data, check=0).out == data, size


def test_slow_reader(t):
    """Nobody reads for a while: the machine waits, nothing is lost."""
    size = 300000
    tool = t.popen(["run", t.c("for (int i = 0; i < %d; i++) putchar('a' + i %% 26);" % size)])
    time.sleep(3)
    out, err = tool.communicate(timeout=50)
    assert tool.returncode == 0 and err == b"", (tool.returncode, err)
    assert out == bytes(ord("a") + i % 26 for i in range(size)), len(out)


def test_streams_apart(t):
    outcome = t.tutti(["run", t.c('fputs("out\\n", stdout); fputs("err\\n", stderr); fputs("end", stdout);')], check=0)
    assert outcome.out == b"out\nend" and outcome.err == b"err\n", outcome


def test_all_bytes(t):
    """No byte value is changed on either stream."""
    data = bytes(range(256)) * 8
    outcome = t.tutti(["run", t.c("for (int i = 0; i < 2048; i++) { putchar(i % 256); fputc(i % 256, stderr); }")], check=0)
    assert outcome.out == data and outcome.err == data, outcome


def test_prompt(t):
    """Output without a newline is seen at once, and an answer gets in while the program runs."""
    program = t.c('char line[64]; write(1, "name? ", 6); int n = read(0, line, 64); printf("hello %.*s", n, line); fflush(stdout);'
                  'n = read(0, line, 64); return n;')
    tool = t.popen(["run", program], stdin=subprocess.PIPE)
    assert tool.stdout.read(6) == b"name? "
    os.write(tool.stdin.fileno(), b"ada")
    assert tool.stdout.read(9) == b"hello ada"
    out, err = tool.communicate(timeout=20)
    assert (tool.returncode, out, err) == (0, b"", b""), (tool.returncode, out, err)


def test_closed_streams(t):
    """Standard streams that were closed by the caller are no reason to fail."""
    program = t.c('char c; int n = read(0, &c, 1); puts("x"); return 40 + n;')
    t.command(["sh", "-c", 'exec "$0" run "$1" <&- >&-', t.tool, program], check=40)


def test_stdin_file(t):
    path = t.write("input", b"from a file")
    with open(path, "rb") as file:
        tool = t.popen(["run", t.c(CAT)], stdin=file)
        out, _ = tool.communicate(timeout=30)
    assert out == b"from a file" and tool.returncode == 0


SHOW = 'for (int i = 0; i < argc; i++) printf("%zu:%s\\n", strlen(argv[i]), argv[i]);'


def shown(name, args):
    return b"".join(b"%d:%s\n" % (len(arg), arg) for arg in [name] + args)


def test_arguments(t):
    program = t.c(SHOW, "show.c")
    lists = (
        [b"a b", b"", "é".encode()],
        [b""], [b"", b""], [b"--", b"-c", b"4"], [b"--help"], [b"tutti.alloc=none", b"a=b,c", b"'", b'"', b"\\", b"$HOME"],
        [b"\xff\xfe\x01\x7f", b"two\nlines", b"tab\t"], [b"x" * 100000], [b"%d" % i for i in range(500)], [],
    )
    for args in lists:
        outcome = t.tutti(["run", program, "--"] + args, check=0)
        assert outcome.out == shown(b"show", args), (args[:5], outcome)
    assert t.tutti(["run", program], check=0).out == b"4:show\n"


def test_environment(t):
    program = t.c('extern char **environ; for (char **e = environ; *e; e++) puts(*e);')
    env = dict(os.environ, TAKEN="from outside")
    outcome = t.tutti(["run", "-e", "A=1", program, "-e", "B=two words", "--env", "C=", "--env=D=x=y", "-e", "TAKEN"], check=0, env=env)
    lines = outcome.out.decode().splitlines()
    for want in ("A=1", "B=two words", "C=", "D=x=y", "TAKEN=from outside"):
        assert want in lines, (want, lines)
    assert not any(line.startswith("PATH=") and line == "PATH=" + os.environ["PATH"] for line in lines), lines


def test_files(t):
    """A folder is the program's read-only file tree."""
    t.write("tree/etc/motd", b"welcome\n")
    t.write("tree/data.bin", bytes(range(256)) * 100)
    program = t.c('FILE *f = fopen("/etc/motd", "r"); char line[64]; if (!f || !fgets(line, 64, f)) return 1; fputs(line, stdout);'
                  'f = fopen("data.bin", "r"); if (!f) f = fopen("/data.bin", "r"); if (!f) return 2; long sum = 0; int c;'
                  'while ((c = getc(f)) >= 0) sum += c; printf("%ld\\n", sum);'
                  'return fopen("/etc/motd", "w") != NULL || fopen("/none", "r") != NULL;')
    outcome = t.tutti(["run", program, "--files", os.path.join(t.tmp, "tree")], check=0)
    assert outcome.out == b"welcome\n3264000\n", outcome


def test_cancel_blocked_read(t):
    """A thread that is blocked in read() on an input that stays open and silent is cancelled; one that waits gets its bytes."""
    import subprocess
    program = t.c("""
#include <pthread.h>
static volatile int ready;
static void *reader(void *arg)
{
	char c;
	ready = 1;
	return read(0, &c, 1) == 1 && c == 'x' ? arg : NULL;
}
int main(void)
{
	pthread_t thread;
	void *back;
	int own;
	if (pthread_create(&thread, NULL, reader, &own))
		return 1;
	while (!ready)
		;
	usleep(50000); /* most often it is in read() by then; either way it has to end */
	if (pthread_cancel(thread) || pthread_join(thread, &back) || back != PTHREAD_CANCELED)
		return 2;
	if (pthread_create(&thread, NULL, reader, &own))
		return 3;
	puts("send");
	if (pthread_join(thread, &back) || back != &own)
		return 4;
	return 5;
}
""")
    for cpus in ("1", "2"):
        process = t.popen(["run", program, "-c", cpus, "--timeout", "40"], stdin=subprocess.PIPE)
        try:
            assert process.stdout.readline() == b"send\n", process.communicate(timeout=60)
            process.stdin.write(b"x")
            process.stdin.flush()
            assert process.wait(timeout=60) == 5, process.returncode
        finally:
            if process.poll() is None:
                process.kill()
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()


test_cancel_blocked_read.timeout = 120
