# SPDX-License-Identifier: BSD-3-Clause
"""Lock hooks: not a byte of them in a release build; the table in docs/locking.md; `tutti run --lockstat`."""

import concurrent.futures
import os
import re
import shlex
import shutil
import subprocess
import sys

# What sync/lock_hooks.h would be if there were neither validator nor statistics.
STAND_IN = """#pragma once
#include <stdbool.h>
#include <stdint.h>
#define LOCK_IRQ 0
#define LOCK_BY_ADDRESS 0
#define LOCK_SLEEPS 0
#define LOCK_LEAF 0
#define LOCK_WAIT 0
#define LOCK_SHARED 0
#define LOCK_TRY 0
#define LOCK_RECURSIVE 0
#define LOCK_SLEEPING 0
#define LOCK_THREAD_OFFSET 32
struct lock_map {
};
struct lock_thread {
};
#define LOCK_CLASS(...) _Static_assert(1, "")
#define LOCK_CLASS_EXTERN(...) _Static_assert(1, "")
#define LOCK_MAP_INIT(cls) {}
#define lock_map_set(m, cls) ((void)(m))
"""
NOTHING = ("lock_hook_init", "lock_hook_first_use", "lock_hook_acquire", "lock_hook_contended", "lock_hook_acquired", "lock_hook_gave_up", "lock_hook_release", "lock_hook_may_sleep",
           "lock_hook_rcu_lock", "lock_hook_rcu_unlock", "lock_hook_thread_exit", "lock_hook_machine_exit", "lock_hook_crash",
           "lock_wait_end")
TRUE = ("lock_hook_is_held", "lock_hook_rcu_is_held")
VALIDATOR = ("lock_hooks.c", "lock_class.c", "lock_class.h", "lock_graph.c", "lock_graph.h", "validator.c", "validator.h", "lockstat.c",
             "lockstat.h")

# Every function and macro of the header that is not out of line, by itself.
INLINE = """#include "uk/spinlock.h"
#include "sync/rwspin.h"
_Static_assert(sizeof(struct uk_spinlock) == 4 && sizeof(struct rwspin) == 8, "no room for a class");
void f_init(struct uk_spinlock *l);
void f_init(struct uk_spinlock *l) { uk_spin_init(l); }
void f_lock(struct uk_spinlock *l);
void f_lock(struct uk_spinlock *l) { uk_spin_lock(l); }
int f_trylock(struct uk_spinlock *l);
int f_trylock(struct uk_spinlock *l) { return uk_spin_trylock(l); }
void f_unlock(struct uk_spinlock *l);
void f_unlock(struct uk_spinlock *l) { uk_spin_unlock(l); }
void f_lock_irq(struct uk_spinlock *l);
void f_lock_irq(struct uk_spinlock *l) { uk_spin_lock_irq(l); }
int f_trylock_irq(struct uk_spinlock *l);
int f_trylock_irq(struct uk_spinlock *l) { return uk_spin_trylock_irq(l); }
void f_unlock_irq(struct uk_spinlock *l);
void f_unlock_irq(struct uk_spinlock *l) { uk_spin_unlock_irq(l); }
unsigned long f_lock_irqsave(struct uk_spinlock *l);
unsigned long f_lock_irqsave(struct uk_spinlock *l) { unsigned long f; uk_spin_lock_irqsave(l, f); return f; }
int f_trylock_irqsave(struct uk_spinlock *l, unsigned long *f);
int f_trylock_irqsave(struct uk_spinlock *l, unsigned long *f) { return uk_spin_trylock_irqsave(l, *f); }
void f_unlock_irqrestore(struct uk_spinlock *l, unsigned long f);
void f_unlock_irqrestore(struct uk_spinlock *l, unsigned long f) { uk_spin_unlock_irqrestore(l, f); }
LOCK_CLASS(one, "one", 1, LOCK_IRQ, "nothing");
struct uk_spinlock g_class = SPINLOCK_INIT(&one);
void f_class(struct uk_spinlock *l);
void f_class(struct uk_spinlock *l) { spin_init_class(l, &one); }
#if __has_include("uk/mutex.h")
#include "uk/mutex.h"
void f_mutex_lock(struct uk_mutex *m);
void f_mutex_lock(struct uk_mutex *m) { uk_mutex_lock(m); }
int f_mutex_trylock(struct uk_mutex *m);
int f_mutex_trylock(struct uk_mutex *m) { return uk_mutex_trylock(m); }
void f_mutex_unlock(struct uk_mutex *m);
void f_mutex_unlock(struct uk_mutex *m) { uk_mutex_unlock(m); }
#endif
#if __has_include("include/tutti/rcu.h")
#include "tutti/rcu.h"
void f_rcu_lock(void);
void f_rcu_lock(void) { tutti_rcu_read_lock(); }
void f_rcu_unlock(void);
void f_rcu_unlock(void) { tutti_rcu_read_unlock(); }
#endif
"""


def commands(t, config="default"):
    """{source: gcc's words} of what takes locks and is not compiled against a libc."""
    outcome = t.command(["make", "-s", "--no-print-directory", "-f", "mk/kernel.mk", "CONFIG=" + config, "NO_LIBC=1", "print-commands"],
                        cwd=t.root, check=0)
    found = {}
    for line in outcome.out.decode().splitlines():
        if line.count("|") >= 2:
            module, source, command = line.split("|", 2)
            if module in ("sync", "sched") or source in ("mm/slab.c", "mm/frames.c", "mm/shootdown.c", "plat/common/message.c", "plat/common/crash.c", "posix/futex.c",
                                                               "posix/console.c"):
                found[source] = shlex.split(command)
    return found


def code(t, folder, words, source):
    """Sections, symbols' code and data of one object, as text."""
    words = [os.path.join(t.root, word) if word.startswith("build/") else word.replace("-Ibuild/", "-I%s/build/" % t.root) for word in words]
    output = os.path.join(folder, source.replace("/", "_") + ".o")
    done = subprocess.run(words + ["-c", source, "-o", output], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, "%s: %s" % (source, done.stdout.decode())
    subprocess.run(["objcopy", "--strip-debug", output], check=True)
    text = subprocess.run(["objdump", "-w", "-d", "-r", "-s", output], stdout=subprocess.PIPE, check=True).stdout.decode()
    return text.split("\n", 3)[3]       # the first lines name the file


def trees(t):
    """Two copies of the sources: as they are, and without the validator's."""
    for name in ("with", "without"):
        os.makedirs(os.path.join(t.tmp, name))
        for folder in ("arch", "check", "include", "lib", "mm", "plat", "posix", "sched", "sync"):
            shutil.copytree(os.path.join(t.root, folder), os.path.join(t.tmp, name, folder))
        t.write(name + "/inline.c", INLINE)
    for name in VALIDATOR:
        os.unlink(os.path.join(t.tmp, "without", "sync", name))
    t.write("without/sync/lock_hooks.h", STAND_IN + "".join("#define %s(...) ((void)0)\n" % name for name in NOTHING) +
            "".join("#define %s(...) true\n" % name for name in TRUE) + "#define lock_wait_begin() 0ul\n")


def test_release_without_hooks(t):
    """The lock paths have the same code and data with the validator's source present and absent, and all of it is really gone."""
    found = commands(t)
    assert {"sync/spinlock.c", "sync/rwspin.c", "sched/sched.c", "sched/timer.c", "mm/slab.c", "posix/futex.c"} <= set(found), sorted(found)
    found["inline.c"] = found["sync/spinlock.c"]
    trees(t)

    def one(source):
        return source, [code(t, os.path.join(t.tmp, name), found[source], source) for name in ("with", "without")]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for source, (present, absent) in pool.map(one, sorted(found)):
            assert present == absent, "%s differs with and without the lock validator" % source
    # the comparison sees the difference where there is one
    debug = commands(t, "debug")["sync/spinlock.c"]
    for number, source in enumerate(("inline.c", "mm/slab.c")):
        words = [word for word in debug if number or not word.startswith("-DX")]
        text = t.write("with/" + source, open(os.path.join(t.tmp, "with", source), encoding="utf-8").read()
                       .replace("_Static_assert(sizeof", "//")) and code(t, os.path.join(t.tmp, "with"), words, source)
        assert "lock_hook_acquire" in text and text != code(t, os.path.join(t.tmp, "without"), found[source], source), source


test_release_without_hooks.timeout = 180


def test_release_symbols(t):
    """The default kernel's object knows nothing of hooks, validator and statistics."""
    for plat in "vm", "host":
        t.command(["make", "-s", "kernel", "PLAT=" + plat], cwd=t.root, timeout=300, check=0)
        path = os.path.join(t.root, "build", "default" + ("-host" if plat == "host" else ""), "tutti.o")
        symbols = subprocess.run(["nm", path], stdout=subprocess.PIPE, check=True).stdout.decode().split()
        bad = [name for name in symbols if re.search(r"lock_hook|lock_class|validator|lockstat|lock_wait|graph_seen|_class$|stack_walk", name)]
        assert not bad and "uk_spin_lock_slow" in symbols, bad


test_release_symbols.timeout = 400


def test_table(t):
    """The generator tells a changed class, one that is not in literals, two of one name; the table in docs/locking.md is up to date."""
    for folder in ("tools", "sync", "mm", "docs"):
        shutil.copytree(os.path.join(t.root, folder), os.path.join(t.tmp, folder), ignore=shutil.ignore_patterns("__pycache__"))
    script = os.path.join(t.tmp, "tools", "tuttilib", "locks.py")
    t.command([sys.executable, script, "--write"], check=0)
    document = os.path.join(t.tmp, "docs", "locking.md")
    with open(document, encoding="utf-8") as file:
        text = file.read()
    assert "| 40 | address space | `mm/vma.c` |" in text and "Two rules that no rank expresses" in text, text
    check = "import sys; sys.path.insert(0, 'tools'); from tuttilib import locks; print('\\n'.join(locks.complaints('.')))"

    def complaints():
        return t.command([sys.executable, "-c", check], cwd=t.tmp, check=0).out.decode().strip()
    assert complaints() == ""
    path = os.path.join(t.tmp, "mm", "vma.c")
    with open(path, encoding="utf-8") as file:
        source = file.read()
    for old, new, said in (('"address space", 40', '"address space", 41', "not what the sources say"),
                           ('"address space", 40', '"address space", RANK', r"mm/vma.c:\d+: LOCK_CLASS\(variable"),
                           ('"address space", 40, 0', '"address space", 40, LOCK_IRK', "LOCK_IRK is no flag"),
                           ('"address space", 40', '"address space", 0', "has no rank"),
                           ('"address space", 40', '"slab", 40', r"mm/vma.c:\d+: slab is the class in mm/slab.c:\d+ already")):
        assert source.count(old) == 1
        t.write("mm/vma.c", source.replace(old, new))
        assert re.search(said, complaints()), complaints()
    t.write("mm/vma.c", source)
    assert complaints() == ""


with open(os.path.join(os.path.dirname(os.path.dirname(__file__)), "lockstat.c"), encoding="utf-8") as program:
    CONTENDED = program.read()


def lockstat(t, *more):
    outcome = t.tutti(["run", "--lockstat", "--timeout", "120", *more, t.write("contended.c", CONTENDED)], check=0, timeout=300)
    assert outcome.out == b"done\n", outcome
    lines = [line for line in outcome.lines() if line.startswith("tutti: ")]
    rows = {}
    for line in lines:
        match = re.match(r"tutti: +(\d+) +(\d+) +\S+ \S+ +\S+ \S+  (\S.*)$", line)
        if match:
            rows[match.group(3)] = (int(match.group(1)), int(match.group(2)))
    return outcome, "\n".join(lines), rows


def check_lockstat(t, *more):
    outcome, said, rows = lockstat(t, *more)
    hot = [row for name, row in rows.items() if "busy_lock" in name]
    cold = [row for name, row in rows.items() if "quiet_lock" in name]
    assert hot and cold and hot[0][0] == 40000 and cold[0] == (123, 0), outcome
    vain = [row for name, row in rows.items() if "vain_mutex+0x0" in name]
    assert vain == [(2, 2)], outcome
    assert rows["thread list"][0] >= 4 and rows["slab"][0] >= 4, outcome
    return outcome, said, hot[0]


def test_lockstat_host(t):
    """Acquisitions are exact; a wait that is forced is seen, at the line that waited."""
    outcome, said, hot = check_lockstat(t, "--plat", "host", "-c", "2")
    assert hot[1] >= 1, outcome
    assert re.search(r"at work \(.*contended\.c:\d+\)", said) and re.search(r"at impatient \(.*contended\.c:\d+\)", said), outcome


def test_lockstat_futex(t):
    """A contended mutex of a program is a futex wait, at the program's line."""
    path = t.c("#include <pthread.h>\nstatic pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;\n"
               "static __attribute__((noinline)) void *locker(void *arg)\n{\n\tfor (int i = 0; i < 30; i++) {\n"
               "\t\tpthread_mutex_lock(&m);\n\t\tusleep(2000);\n\t\tpthread_mutex_unlock(&m);\n\t}\n\treturn arg;\n}\n"
               "int main(void)\n{\n\tpthread_t t[3];\n\tfor (int i = 0; i < 3; i++)\n\t\tpthread_create(&t[i], NULL, locker, NULL);\n"
               "\tfor (int i = 0; i < 3; i++)\n\t\tpthread_join(t[i], NULL);\n\treturn 0;\n}\n", "mutex.c")
    outcome = t.tutti(["run", "--lockstat", "--plat", "host", "-c", "2", "--timeout", "60", path], check=0, timeout=300)
    assert re.search(r"tutti: +0 +[1-9]\d* +.*  futex wait\n(?:tutti: .* at .*\n)*tutti: .* at locker \(.*mutex\.c:6\)\n",
                     outcome.err.decode()), outcome


KINDS = {"mutex": "uk_mutex_lock(&m)", "reader": "uk_rwlock_rlock(&l)", "writer": "uk_rwlock_wlock(&l)",
         "semaphore": "uk_semaphore_down(&s)", "completion": "tutti_completion_wait(&done)",
         "event": "uk_waitq_wait_event(&queue, 1)", "condition": "tutti_condition_wait_until(&changed, &m, 1)"}


def test_sleeping_reported(t):
    """What may sleep is reported with a spin lock held, although it would not have had to wait; what only tries is not."""
    kinds = "".join('\tif (!strcmp(argv[1], "%s"))\n\t\t%s;\n' % kind for kind in KINDS.items())
    path = t.c("#include <tutti/completion.h>\n#include <tutti/condition.h>\n#include <uk/mutex.h>\n#include <uk/rwlock.h>\n"
               "#include <uk/semaphore.h>\n#include <uk/wait.h>\n"
               "static struct uk_spinlock spin;\nstatic struct uk_mutex m = UK_MUTEX_INITIALIZER(m);\n"
               "static struct uk_rwlock l = UK_RWLOCK_INITIALIZER(l, 0);\nstatic struct uk_semaphore s = UK_SEMAPHORE_INITIALIZER(s, 1);\n"
               "static struct tutti_completion done = TUTTI_COMPLETION_INITIALIZER(done);\n"
               "static struct tutti_condition changed = TUTTI_CONDITION_INITIALIZER(changed);\nstatic DEFINE_WAIT_QUEUE(queue);\n"
               "int main(int argc, char **argv)\n{\n\tint got = argc - 1;\n"
               "\ttutti_completion_complete(&done);\n"
               "\tuk_spin_lock(&spin);\n" + kinds +
               "\tif (!strcmp(argv[1], \"try\"))\n\t\tgot = uk_mutex_trylock(&m) + tutti_rwlock_try_rlock(&l) + uk_semaphore_down_try(&s);\n"
               "\tuk_spin_unlock(&spin);\n"
               "\tif (got == 3) {\n\t\tuk_mutex_unlock(&m);\n\t\tuk_rwlock_runlock(&l);\n\t}\n\treturn got;\n}\n", "asleep.c")
    for kind in KINDS:
        outcome = t.tutti(["run", "--config", "debug", "--plat", "host", "-c", "1", "--timeout", "60", path, "--", kind], timeout=300)
        assert outcome.status == 134 and "tutti: sleeping with a spin lock held" in outcome.err.decode(), (kind, outcome)
    outcome = t.tutti(["run", "--config", "debug", "--plat", "host", "-c", "1", "--timeout", "60", path, "--", "try"], timeout=300)
    assert outcome.status == 3 and b"tutti:" not in outcome.err, outcome


def test_lockstat_vm(t):
    check_lockstat(t, "--plat", "vm", "-c", "2")


test_sleeping_reported.timeout = test_lockstat_host.timeout = test_lockstat_futex.timeout = test_lockstat_vm.timeout = 400


def test_lockstat_refused(t):
    t.usage_error(["run", "hello", "--lockstat", "--config", "debug"], "--lockstat")
    t.usage_error(["run", "hello", "--lockstat", "--replay", "1"], "--lockstat")
