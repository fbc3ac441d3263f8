# SPDX-License-Identifier: BSD-3-Clause
"""`tutti cc` and `tutti configure`: gcc's habits, bootable results."""

import os
import shutil

PARTS = {
    "main.c": "#include <stdio.h>\n#include <math.h>\nint twice(int);\n"
              "int main(int argc, char **argv) { printf(\"%d %.0f\\n\", twice(argc), floor(argc + 0.5)); return twice(20) + argc; }\n",
    "twice.c": "int twice(int x) { return 2 * x; }\n",
    "Makefile": "CFLAGS = -O1 -Wall\nprogram: main.o libtwice.a\n\t$(CC) $(CFLAGS) -o $@ main.o -L. -ltwice -lm -lpthread\n"
                "libtwice.a: twice.o\n\tar rc $@ $^\nclean:\n\trm -f *.o *.a program\n",
}


def parts(t):
    for name, text in PARTS.items():
        t.write(name, text)


def test_make(t):
    """make CC="…/tutti cc" ends with an image."""
    parts(t)
    t.command(["make", "CC=%s cc" % t.tool], check=0)
    assert t.tutti(["run", "./program"], check=41).out == b"2 1\n"
    assert os.path.exists(os.path.join(t.tmp, "program.debug"))
    assert os.path.getsize(os.path.join(t.tmp, "program")) < os.path.getsize(os.path.join(t.tmp, "program.debug"))


def test_shared_refused(t):
    parts(t)
    t.usage_error(["cc", "-shared", "-o", "libtwice.so", "twice.c"], "-shared")
    t.usage_error(["cc", "-fPIC", "twice.c", "-shared"], "-shared")
    assert not os.path.exists(os.path.join(t.tmp, "libtwice.so"))


def test_modes(t):
    """The words that make gcc stop early do, and write what gcc would."""
    parts(t)
    assert b"twice" in t.tutti(["cc", "-E", "twice.c"], check=0).out
    t.tutti(["cc", "-S", "twice.c"], check=0)
    t.tutti(["cc", "-c", "-MMD", "-MF", "deps", "twice.c", "-o", "other.o"], check=0)
    assert b"twice.c" in t.tutti(["cc", "-MM", "twice.c"], check=0).out
    t.tutti(["cc", "-fsyntax-only", "main.c"], check=0)
    for name in ("twice.s", "deps", "other.o"):
        assert os.path.getsize(os.path.join(t.tmp, name)) > 0, name
    assert b"gcc" in t.tutti(["cc", "--version"], check=0).out
    assert t.tutti(["cc", "-dumpmachine"], check=0).out.startswith(b"x86_64")
    assert t.tutti(["cc", "-print-file-name=include"], check=0).out.strip()
    assert b"version" in t.tutti(["cc", "-v"], check=0).err
    assert t.tutti(["cc"]).status == 1
    assert t.tutti(["cc", "-E", "-"], stdin=b"#ifdef __x86_64__\nyes\n#endif\n", check=0).out.strip().endswith(b"yes")


def test_link(t):
    """One step, two steps, -o joined and apart, a.out, options an image has no use for."""
    parts(t)
    t.tutti(["cc", "main.c", "twice.c", "-lm"], check=0)
    t.tutti(["run", "./a.out"], check=41)
    t.tutti(["cc", "-O2", "-g", "-static", "-s", "-no-pie", "-fno-pie", "-pthread", "main.c", "twice.c", "-oprogram"], check=0)
    t.tutti(["run", "./program", "--", "x"], check=42)
    t.tutti(["cc", "-c", "-fno-PIE", "main.c", "twice.c"], check=0)
    t.write("words", "main.o twice.o -o three")
    t.tutti(["cc", "@words"], check=0)
    t.tutti(["run", "./three"], check=41)
    t.tutti(["cc", "-r", "-o", "both.o", "main.o", "twice.o"], check=0)
    t.tutti(["cc", "both.o", "-o", "four"], check=0)
    t.tutti(["run", "./four"], check=41)
    t.tutti(["cc", "-x", "c", "-", "-o", "five"], stdin=b"int main(void) { return 9; }", check=0)
    t.tutti(["run", "./five"], check=9)


def test_link_errors(t):
    """A failing link ends with gcc's status and leaves nothing; the host's libraries are not used."""
    parts(t)
    outcome = t.tutti(["cc", "main.c", "-o", "half"])
    assert outcome.status == 1 and b"twice" in outcome.err, outcome
    outcome = t.tutti(["cc", "main.c", "twice.c", "-lnonesuch", "-o", "half"])
    assert outcome.status == 1 and b"nonesuch" in outcome.err and len(outcome.lines()) == 1, outcome
    assert not [name for name in os.listdir(t.tmp) if name.startswith(("half", ".tutti"))], os.listdir(t.tmp)


CONFIGURE = """#!/bin/sh
# what autoconf makes of AC_INIT AC_PROG_CC AC_CHECK_FUNCS(strlcpy nonesuch_function), by hand
for word in "$@"; do case $word in --host=*) host=${word#*=};; --build=*) build=${word#*=};; esac; done
test -n "$CONFIG_SITE" && . "$CONFIG_SITE"
test "$host" != "$build" || exit 3
test "$enable_shared" = no || exit 4
for f in strlcpy nonesuch_function; do
  echo "char $f(); int main() { return $f(); }" >conftest.c
  if $CC -o conftest conftest.c >/dev/null 2>&1; then echo "$f=yes"; else echo "$f=no"; fi
done >results
rm -f conftest*
echo "$CC_FOR_BUILD" >>results
echo "all:; $CC -o program main.c twice.c" >Makefile
"""


def test_configure(t):
    parts(t)
    t.write("configure", CONFIGURE, 0o755)
    t.tutti(["configure", "--disable-nls"], check=0)
    with open(os.path.join(t.tmp, "results")) as file:
        assert file.read().split() == ["strlcpy=yes", "nonesuch_function=no", "gcc"]
    t.command(["make"], check=0)
    t.tutti(["run", "./program"], check=41)


def test_real_configure(t):
    """A script that autoconf made."""
    if not shutil.which("autoconf") or not shutil.which("automake"):
        t.skip("autoconf and automake are not installed")
    parts(t)
    helpers = t.command(["automake", "--print-libdir"], check=0).out.decode().strip()
    for name in ("config.guess", "config.sub", "install-sh"):
        shutil.copy(os.path.join(helpers, name), t.tmp)
    t.write("configure.ac", "AC_INIT([p],[1])\nAC_PROG_CC\nAC_CHECK_LIB([m],[floor])\nAC_CHECK_FUNCS([strlcpy nonesuch])\n"
                            "AC_FUNC_MALLOC\nAC_CONFIG_FILES([result])\nAC_OUTPUT\n")
    t.write("result.in", "@CC@ @LIBS@ @DEFS@\n")
    t.command(["autoconf"], check=0)
    t.tutti(["configure"], check=0)
    with open(os.path.join(t.tmp, "result")) as file:
        text = file.read()
    assert "-lm" in text and "HAVE_STRLCPY" in text and "NONESUCH" not in text, text


test_real_configure.timeout = 120


def test_configure_missing(t):
    t.usage_error(["configure"], "no ./configure")


def test_build(t):
    t.c("return 5;", "five.c")
    path = t.tutti(["build", "five.c", "-o", "image"], check=0).out.decode().strip()
    assert path == "image"
    t.tutti(["run", "./image"], check=5)
    os.rename(os.path.join(t.tmp, "image"), os.path.join(t.tmp, "moved"))
    t.tutti(["run", "./moved"], check=5)
