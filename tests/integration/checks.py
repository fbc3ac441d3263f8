# SPDX-License-Identifier: BSD-3-Clause
"""`--check race|memory|undefined` for a user's own program: what is wrong is said in one line, with the place in the source, the
stacks that belong to it, and status 134; a right program runs as it does without."""

import os
import re

HEADS = "#include <alloca.h>\n#include <errno.h>\n#include <limits.h>\n#include <malloc.h>\n#include <pthread.h>\n" \
        "#include <sched.h>\n#include <setjmp.h>\n#include <stdatomic.h>\n#line 1\n"


def run(t, kind, source, *more, **options):
    return t.tutti(["run", "--plat", "host", "--check", kind, "--timeout", "60", *more, source], **options)


def program(t, text, name="culprit.c"):
    """The lines of `text` count from 1."""
    return t.c(HEADS + text, name)


def named(name, test):
    test.__name__ = name
    globals()[name] = test


def report(t, kind, text, *patterns, more=()):
    """Each pattern has to be in the report, which is returned."""
    outcome = run(t, kind, program(t, text), *more, check=134)
    said = "\n".join(outcome.lines())
    for pattern in patterns:
        assert re.search(pattern, said, re.M), "wanted %s\n%s" % (pattern, outcome)
    assert outcome.lines()[-1].endswith("exit status 134"), outcome
    return said


# ---- memory ----------------------------------------------------------------------------------------------------------

# name, lines of main() from the fifth line of the program on, what the report says, the line that is at fault
MEMORY = [
    ("overflow", "p[10] = 1;", r"heap-buffer-overflow: write of 1 byte at 0x[0-9a-f]+, 0 bytes after a block of 10 bytes", 5),
    ("underflow", "n = p[-1];", r"heap-buffer-underflow: read of 1 byte at .*, 1 byte before a block of 10 bytes", 5),
    ("freed", "free((void *)p);\nn = p[3];", r"heap-use-after-free: read of 1 byte at .*, 3 bytes into a freed block of 10", 6),
    ("twice", "free((void *)p);\nfree((void *)p);", r"double free: of 0x.*, a block of 10 bytes", 6),
    ("middle", "n = 4;\nfree((char *)p + n);", r"invalid free: .* was not returned by malloc, 4 bytes into a block of 10", 6),
    ("stranger", "char *volatile s = (char *)room;\nfree(s);", r"invalid free: .*room.* was not returned by malloc", 6),
    ("resized", "char *q = realloc((void *)p, 1000);\nq[999] = 1;\np[1] = 2;", r"use-after-free: write of 1 byte", 7),
    ("large", "char *q = malloc(3 << 20);\nn = 3 << 20;\nq[n] = 1;", r"0 bytes after a block of 3145728 bytes", 7),
    ("strcpy", 'const char *volatile s = "much too long";\nstrcpy((char *)p, s);',
     r"heap-buffer-overflow: write of 14 bytes at .*, 0 bytes after a block of 10", 6),
    ("snprintf", 'snprintf((char *)p, 40, "%s %d %.1f", "too long", n, 2.5);', r"heap-buffer-overflow: write of 1[0-9] bytes", 5),
    ("memset", "n = 11;\nmemset((char *)p, 0, n);", r"write of 11 bytes at .*, 0 bytes after a block of 10", 6),
    ("strlen", "memset((char *)p, 'x', 10);\nn = strlen((char *)p);", r"read of 1 byte at .*, 0 bytes after a block of 10", 6),
    ("local", "volatile char here[20];\nn = 20;\nhere[n] = 1;",
     r"stack-buffer-overflow: write of 1 byte at .*, 0 bytes after local variable 'here' of 20 bytes", 7),
    ("scope", "volatile char *q;\n{\n\tvolatile char gone[30];\n\tgone[1] = 2;\n\tq = gone;\n}\nn = q[1];",
     r"stack-use-after-scope: read of 1 byte at .* variable 'gone'", 11),
    ("alloca", "n = 13;\nvolatile char *q = alloca(n);\nq[n] = 1;", r"dynamic-stack-buffer-overflow: write of 1 byte", 7),
    ("global", "n = 12;\nn = room[n];", r"global-buffer-overflow: read of 1 byte at .*, 0 bytes after global variable 'room' of 12", 6),
]


def memory_test(_, body, said, line):
    def test(t):
        text = "volatile int n;\nvolatile char room[12];\nint main(void)\n{ volatile char *p = malloc(10);\n" + body + "\nreturn 0; }\n"
        outcome = report(t, "memory", text, "^tutti: .*" + said,
                         r"^tutti: +0x[0-9a-f]+ main\+0x[0-9a-f]+ \([^)]*culprit\.c:%d\)$" % line)
        if "block of 10" in said:
            assert re.search(r"allocated by:\ntutti: +0x[0-9a-f]+ main\+0x[0-9a-f]+ \(.*culprit\.c:4\)", outcome), outcome
    return test


for each in MEMORY:
    named("test_memory_" + each[0], memory_test(*each))


def test_memory_two_threads_free(t):
    """A block that two threads free: the second is told, with the stack of the first."""
    report(t, "memory", "static void *volatile p;\nstatic void *end(void *arg)\n{\n\tfree(p);\n\treturn arg;\n}\n"
           "int main(void)\n{\n\tpthread_t t;\n\tp = malloc(50);\n\tpthread_create(&t, NULL, end, NULL);\n\tpthread_join(t, NULL);\n"
           "\tend(NULL);\n\treturn 0;\n}\n", r"double free: of 0x[0-9a-f]+, a block of 50 bytes",
           r"freed by:\ntutti: +0x[0-9a-f]+ end\+0x[0-9a-f]+ \(.*culprit\.c:4\)", r"allocated by:\ntutti: .*culprit\.c:10\)")


RIGHT = r"""
static jmp_buf back;
static void __attribute__((noinline)) deep(int n)
{
	volatile char here[100];
	here[n] = 1;
	if (n == 40)
		longjmp(back, 1);
	deep(n + 1);
	here[0] = 2;
}
static void __attribute__((noinline)) wide(void)
{
	char here[6000];
	memset(here, 1, sizeof(here));
	__asm__ volatile("" : : "r"(here) : "memory");
}
static void *thread(void *arg)
{
	char name[32];
	snprintf(name, sizeof(name), "%ld %g", (long)arg, 1.5);
	for (int i = 0; i < 300; i++) {
		char *p = malloc(i), *q = strdup(name);
		memset(p, i, i);
		p = realloc(p, 2 * i + 1);
		p[2 * i] = 1;
		free(p);
		if (strcmp(q, name))
			abort();
		free(q);
	}
	if ((long)arg & 1)
		pthread_exit(NULL);
	return NULL;
}
int main(void)
{
	pthread_t t[8];
	void *a;
	for (int i = 0; i < 50; i++)
		if (!setjmp(back))
			deep(0);
	wide();
	for (int round = 0; round < 5; round++) {
		for (long i = 0; i < 8; i++)
			pthread_create(&t[i], NULL, thread, (void *)i);
		for (int i = 0; i < 8; i++)
			pthread_join(t[i], NULL);
	}
	wide();
	if (posix_memalign(&a, 4096, 100) || (uintptr_t)a % 4096 || malloc_usable_size(a) < 100)
		return 1;
	memset(a, 1, 100);
	free(a);
	a = calloc(1000, 7);
	for (int i = 0; i < 7000; i++)
		if (((char *)a)[i])
			return 2;
	errno = 0;
	if (malloc(PTRDIFF_MAX) || errno != ENOMEM)
		return 3;
	for (int i = 0; i < 20000; i++)
		free(malloc(10000));
	puts("right");
	return 0;
}
"""


def right(kind, *more):
    def test(t):
        outcome = run(t, kind, program(t, RIGHT, "right.c"), *more, check=0)
        assert outcome.out == b"right\n" and not outcome.err, outcome
    return test


named("test_memory_right", right("memory"))
named("test_memory_right_small_machine", right("memory", "-m", "32M"))
named("test_memory_right_mallocng", right("memory", "--alloc", "mallocng", "-c", "4"))
named("test_memory_right_buddy", right("memory", "--alloc", "buddy", "-c", "1"))
named("test_race_right", right("race"))
named("test_undefined_right", right("undefined"))


# ---- undefined -------------------------------------------------------------------------------------------------------

UNDEFINED = [
    ("add", "n = INT_MAX;\nn += 1;", r"signed integer overflow: (1 \+ 2147483647|2147483647 \+ 1) cannot be represented in type 'int'", 6),
    ("divide", "n = 0;\nreturn 5 / n;", "division by zero: 5 / 0", 6),
    ("shift", "n = 33;\nreturn 1 << n;", "shift exponent 33 is too large for 32-bit type 'int'", 6),
    ("bounds", "n = 12;\nreturn room[n];", "index 12 out of bounds for type", 6),
    ("null", "int *volatile q = NULL;\nreturn *q;", "load of null pointer of type 'int'", 6),
    ("misaligned", "volatile char *q = room + 1;\n*(volatile long *)((uintptr_t)q | 1) = 2;", "store to misaligned address", 6),
    ("unreachable", "if (n == 0)\n__builtin_unreachable();", "reached a point that was said to be unreachable", 6),
]


def undefined_test(body, said, line):
    def test(t):
        text = "volatile int n;\nvolatile char room[12];\nint main(void)\n{ n = 0;\n" + body + "\nreturn 0; }\n"
        report(t, "undefined", text, r"^tutti: .*%s.*culprit\.c:%d:[0-9]+\)$" % (said, line),
               r"main(\.cold)?\+0x[0-9a-f]+ \(.*culprit\.c:%d\)" % line)
    return test


for each in UNDEFINED:
    named("test_undefined_" + each[0], undefined_test(*each[1:]))


def test_undefined_vm(t):
    outcome = t.tutti(["run", "--plat", "vm", "--check", "undefined", "--timeout", "60",
                       program(t, "int main(int argc, char **argv)\n{\n\tint n = INT_MAX;\n\treturn n + argc;\n}\n")], check=134)
    assert re.search(r"signed integer overflow.*culprit\.c:4:", str(outcome)), outcome


# ---- race ------------------------------------------------------------------------------------------------------------

def example(t, name):
    return os.path.join(t.root, "examples", name)


FIRST_LINE = r"tutti: data race: (read|write) of 8 bytes at 0x[0-9a-f]+ (counter|list)\S* .* by CPU [01] and (read|write) by CPU [01]\n"
STACK = r":\n(?:tutti: +0x[0-9a-f]+ .*\n)*tutti: +0x[0-9a-f]+ work\+0x[0-9a-f]+ \(examples/race\.c:[0-9]+\)\n"


def race_example(t, *more):
    outcome = t.tutti(["run", "--check", "race", "--timeout", "60", *more, example(t, "race.c")], check=134)
    said = outcome.err.decode("utf-8", "replace")
    assert re.match(FIRST_LINE, said), outcome
    assert len(re.findall(r"tutti:   (?:read|write) of 8 bytes at .* by CPU [01]" + STACK, said)) == 2, outcome


def test_race_example(t):
    for _ in range(5):
        race_example(t, "--plat", "host")


def test_race_example_vm(t):
    race_example(t, "--plat", "vm")


test_race_example_vm.timeout = 180


def test_norace_example(t):
    for cpus in "2", "4", "2", "4", "1":
        outcome = run(t, "race", example(t, "norace.c"), "-c", cpus, check=0)
        assert outcome.out == b"no race\n" and not outcome.err, outcome


test_norace_example.timeout = 180


def test_race_atomic_against_plain(t):
    report(t, "race", "static long n;\nstatic void *work(void *arg)\n{\n\tfor (int i = 0; i < 3000000; i++)\n"
           "\t\t__atomic_fetch_add(&n, 1, __ATOMIC_SEQ_CST);\n\treturn arg;\n}\n"
           "int main(void)\n{\n\tpthread_t t;\n\tlong sum = 0;\n\tpthread_create(&t, NULL, work, NULL);\n"
           "\tfor (int i = 0; i < 3000000; i++) {\n\t\tsum += n;\n\t\t__asm__ volatile(\"\" ::: \"memory\");\n\t}\n"
           "\tpthread_join(t, NULL);\n\treturn sum == 1;\n}\n",
           r"^tutti: data race: read of 8 bytes at .* and marked write by CPU", r"culprit\.c:5\)", r"culprit\.c:14\)")


def test_race_in_one_machine_word(t):
    """Two bit fields of one word are one memory location (C17, 3.14)."""
    report(t, "race", "struct {\n\tunsigned a : 4, b : 4;\n} s;\nstatic void *work(void *arg)\n{\n"
           "\tfor (unsigned i = 0; i < 3000000; i++) {\n\t\ts.a = i;\n\t\t__asm__ volatile(\"\" ::: \"memory\");\n\t}\n\treturn arg;\n}\n"
           "int main(void)\n{\n\tpthread_t t;\n\tpthread_create(&t, NULL, work, NULL);\n"
           "\tfor (unsigned i = 0; i < 3000000; i++) {\n\t\ts.b = i;\n\t\t__asm__ volatile(\"\" ::: \"memory\");\n\t}\n"
           "\tpthread_join(t, NULL);\n\treturn 0;\n}\n",
           r"^tutti: data race: ", r"culprit\.c:7\)", r"culprit\.c:17\)")
