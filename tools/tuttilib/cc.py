# SPDX-License-Identifier: BSD-3-Clause
"""`tutti cc`: gcc with tutti's headers, and a linker whose executables are bootable images. `tutti configure`: ./configure for it.

The words are gcc's own. Where gcc would link, tutti's libraries are put in and the result is stripped, with the unstripped file
beside it as OUT.debug. Libraries are looked up in the folders that -L names and in tutti's own, never in the host's: what stands
there is built for another C library.

Words of the tool's own, which gcc does not have: `--plat NAME` and `--check KIND`, or TUTTI_PLAT and TUTTI_CHECK in the environment, like
TUTTI_CONFIG and TUTTI_ALLOC_SRC.
"""

import os
import subprocess
import tempfile

from . import console, images
from .console import Failure
from .run import check_kernel, check_platform

HOST = "x86_64-tutti-linux-musl"        # a triple config.sub knows, and not the build machine's

# gcc options whose value is the next word.
WITH_VALUE = {"-o", "-I", "-L", "-l", "-D", "-U", "-x", "-include", "-imacros", "-isystem", "-iquote", "-idirafter", "-iprefix",
              "-iwithprefix", "-iwithprefixbefore", "-isysroot", "-MF", "-MT", "-MQ", "-T", "-Xlinker", "-Xassembler",
              "-Xpreprocessor", "-u", "-z", "-A", "-B", "-aux-info", "-dumpbase", "-dumpbase-ext", "-dumpdir", "--param", "-e",
              "-wrapper", "-specs", "-imultilib"}
NO_LINK = {"-c", "-S", "-E", "-M", "-MM", "-fsyntax-only"}
ONLY_TELL = ("--version", "-dumpversion", "-dumpfullversion", "-dumpmachine", "-dumpspecs", "--help", "--target-help", "-print-",
             "--print-", "-###")
# An image is static and position independent whatever is asked for.
DROPPED = {"-static", "-pie", "-no-pie", "-nopie", "-static-pie", "-rdynamic", "-fno-pie", "-fno-PIE", "-fno-pic", "-fno-PIC", "-s",
           "-static-libgcc", "-shared-libgcc"}
OWN_LIBRARIES = {"c", "m", "pthread", "rt", "dl", "crypt", "util", "xnet", "resolv", "gcc", "gcc_eh", "gcc_s"}
OBJECTS = (".o", ".a", ".lo", ".obj")


class Choice:
    """What the tool's own words, or else its environment, choose."""

    def __init__(self, words):
        self.plat, self.check = os.environ.get("TUTTI_PLAT") or None, os.environ.get("TUTTI_CHECK") or None
        self.config = os.environ.get("TUTTI_CONFIG") or "default"
        self.alloc_src = os.environ.get("TUTTI_ALLOC_SRC", "").split()
        self.rest, queue = [], list(words)
        while queue:
            word = queue.pop(0)
            name, sign, value = word.partition("=")
            if name not in ("--plat", "--check"):
                self.rest.append(word)
                continue
            if not sign:
                if not queue:
                    raise Failure("cc: %s wants a value" % name)
                value = queue.pop(0)
            setattr(self, name[2:], value)

    def kernel(self):
        check_platform(self)
        return check_kernel(self)


def command_cc(words):
    choice = Choice(words)
    words = choice.rest
    if "-shared" in words or "--shared" in words:
        raise Failure("cc: -shared: an image has no shared libraries; link the objects or an archive")
    if any(word.startswith(ONLY_TELL) for word in words):
        return call(["gcc"] + words)
    kern = choice.kernel()
    parsed = parse([word for word in words if word not in DROPPED])
    if parsed["inputs"] == 0:
        return call([kern.cc] + words)          # `-v` alone, or gcc's own complaint
    if parsed["no_link"]:
        return call([kern.cc] + kern.cflags + parsed["words"])
    if "-r" in parsed["words"]:
        return call([kern.cc] + kern.cflags + ["-nostdlib"] + parsed["words"])
    return link(kern, parsed)


def call(command):
    try:
        return subprocess.run(command).returncode
    except FileNotFoundError:
        raise Failure("%s is not installed; do: apt-get install gcc" % command[0])


def expand(words):
    """Replace @FILE, as gcc does."""
    import shlex
    done = []
    for word in words:
        if word.startswith("@") and os.path.isfile(word[1:]):
            with open(word[1:], encoding="utf-8", errors="surrogateescape") as file:
                done += expand(shlex.split(file.read()))
        else:
            done.append(word)
    return done


def parse(words):
    """Sort the words: what gcc does with them, the output, how many inputs there are."""
    found = {"words": [], "inputs": 0, "output": None, "no_link": False, "folders": [], "sources": 0}
    queue = [word for word in expand(words) if word not in DROPPED]
    language = "none"
    while queue:
        word = queue.pop(0)
        value = None
        if word in WITH_VALUE and queue:
            value = queue.pop(0)
        if word in NO_LINK:
            found["no_link"] = True
        if word == "-o" and value is not None:
            found["output"] = value
        elif word.startswith("-o") and len(word) > 2 and not word.startswith("-openmp"):
            found["output"] = word[2:]
            word, value = "-o", word[2:]
        if word == "-x" and value is not None:
            language = value
        if word == "-L" and value is not None:
            word, value = "-L" + value, None
        if word == "-l" and value is not None:
            word, value = "-l" + value, None
        if word.startswith("-L"):
            found["folders"].append(word[2:])
        if not word.startswith("-") or word == "-":
            found["inputs"] += 1
            if language != "none" or not word.endswith(OBJECTS):
                found["sources"] += 1
        found["words"].append(word)
        if value is not None:
            found["words"].append(value)
    return found


def library(name, folders, kern):
    """The archive -lNAME means; None if it is part of what every image has."""
    if name in OWN_LIBRARIES:
        return None
    plain = name[1:] if name.startswith(":") else "lib%s.a" % name
    for folder in folders:
        path = os.path.join(folder, plain)
        if os.path.isfile(path):
            return path
    if name == "atomic":
        done = subprocess.run([kern.cc, "-print-file-name=libatomic.a"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        path = done.stdout.decode().strip()
        if os.path.isabs(path):
            return path
    raise Failure("cc: cannot find -l%s: no %s in the folders that -L names" % (name, plain), 1)


def link(kern, parsed):
    output = parsed["output"] or "a.out"
    words, skip = [], False
    for word in parsed["words"]:
        if skip:
            skip = False
        elif word == "-o":
            skip = True
        elif word.startswith("-l") and len(word) > 2:
            path = library(word[2:], parsed["folders"], kern)
            if path:
                words.append(path)
        else:
            words.append(word)
    folder = os.path.dirname(os.path.abspath(output))
    try:
        fd, debug = tempfile.mkstemp(dir=folder, prefix=".tutti-cc-")
    except OSError as error:
        raise Failure("cc: %s: %s" % (folder, error.strerror))
    os.close(fd)
    flags = kern.cflags if parsed["sources"] else []
    # After `-x c` gcc would read our archives as source.
    plain = ["-x", "none"] if "-x" in words else []
    try:
        status = call([kern.cc] + flags + kern.ldflags + words + plain + kern.libs + ["-o", debug])
        if status == 0:
            os.chmod(debug, 0o755)
            images.install_image(debug, os.path.abspath(output))
        return status
    finally:
        if os.path.exists(debug):
            os.unlink(debug)


SITE = """# Answers that ./configure cannot find by running a program: an image does not run on the build machine.
test -z "$enable_shared" && enable_shared=no
test -z "$enable_static" && enable_static=yes
cross_compiling=yes
ac_cv_func_malloc_0_nonnull=${ac_cv_func_malloc_0_nonnull=yes}
ac_cv_func_calloc_0_nonnull=${ac_cv_func_calloc_0_nonnull=yes}
ac_cv_func_realloc_0_nonnull=${ac_cv_func_realloc_0_nonnull=yes}
ac_cv_func_memcmp_working=${ac_cv_func_memcmp_working=yes}
ac_cv_func_strnlen_working=${ac_cv_func_strnlen_working=yes}
ac_cv_func_mmap_fixed_mapped=${ac_cv_func_mmap_fixed_mapped=yes}
ac_cv_func_getpgrp_void=${ac_cv_func_getpgrp_void=yes}
ac_cv_func_setpgrp_void=${ac_cv_func_setpgrp_void=yes}
ac_cv_func_fork_works=${ac_cv_func_fork_works=no}
ac_cv_func_vfork_works=${ac_cv_func_vfork_works=no}
ac_cv_func_lstat_dereferences_slashed_symlink=${ac_cv_func_lstat_dereferences_slashed_symlink=yes}
ac_cv_func_stat_empty_string_bug=${ac_cv_func_stat_empty_string_bug=no}
ac_cv_func_lstat_empty_string_bug=${ac_cv_func_lstat_empty_string_bug=no}
ac_cv_func_snprintf_c99=${ac_cv_func_snprintf_c99=yes}
ac_cv_func_vsnprintf_c99=${ac_cv_func_vsnprintf_c99=yes}
ac_cv_c_bigendian=${ac_cv_c_bigendian=no}
ac_cv_c_undeclared_builtin_options=${ac_cv_c_undeclared_builtin_options='none needed'}
ac_cv_have_htonll=${ac_cv_have_htonll=no}
"""


def command_configure(words):
    script = os.path.join(os.getcwd(), "configure")
    if words[:1] == ["--help-tutti"]:
        console.out("usage: ./tutti configure [--plat NAME] [--check KIND] [./configure's own arguments], in the folder that has configure")
        return 0
    if not os.path.isfile(script):
        raise Failure("configure: there is no ./configure in %s" % os.getcwd())
    choice = Choice(words)
    choice.kernel()
    words = choice.rest
    tool = os.path.join(images.ROOT, "tutti")
    if any(char.isspace() for char in tool):
        raise Failure("configure: the path %s holds a space, which configure scripts do not survive" % images.ROOT)
    site = os.path.join(images.BUILD, "config.site")
    images.write_file(site, SITE.encode())
    machine = subprocess.run(["gcc", "-dumpmachine"], stdout=subprocess.PIPE).stdout.decode().strip()
    env = images.clean_env()
    compiler = [tool, "cc", "--plat=" + choice.plat] + (["--check=" + choice.check] if choice.check else [])
    env.update(CONFIG_SITE=site, CC=" ".join(compiler),
               CC_FOR_BUILD="gcc", BUILD_CC="gcc", HOSTCC="gcc", AR="ar", RANLIB="ranlib",
               NM="nm", STRIP=":", PKG_CONFIG="false")
    asked = [word.partition("=")[0] for word in words]
    more = []
    if "--host" not in asked:
        more.append("--host=" + HOST)
    if "--build" not in asked:
        more.append("--build=" + machine)
    return subprocess.run([script] + more + words, env=env).returncode
