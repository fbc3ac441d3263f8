#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Proves the layering: make check-deps.

mk/layers holds the order of the layers; each module.mk the modules whose headers its sources may include. Checked are:
that every name in a `-deps` list is a module that stands below the one that lists it (modules of one layer may use each
other one way round); that every `#include "..."` and `<...>` of a module's sources and headers belongs to the module
itself, to one of its list, to the generated configuration, or to the compiler's freestanding headers (any system header
where the module says it is compiled with a libc or with a port's headers); that all sources of a folder are listed and
all that are listed exist; and that applications include public headers only. One line per violation; exit status 1.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FREESTANDING = {"stddef.h", "stdint.h", "stdbool.h", "stdarg.h", "limits.h", "stdatomic.h", "stdalign.h", "stdnoreturn.h"}
GENERATED = {"config.h"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+([<"])([^>"]+)[>"]', re.M)


class Module:
    """One module.mk."""

    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, "module.mk")
        text = re.sub(r"\\\n", " ", open(self.path, encoding="utf-8").read())
        text = re.sub(r"#.*", "", text)
        self.name = re.search(r"^mod\s*:?=\s*(\S+)", text, re.M).group(1)
        self.deps = self._words(text, "deps")
        # every source that may be built, also where an option or a platform decides
        self.srcs = [name for word in self._words(text, "srcs") for name in re.findall(r"[\w./-]+\.(?:c|S)\b", word)]
        self.hosted = bool(self._words(text, "libc") or self._words(text, "port"))

    @staticmethod
    def _words(text, key):
        out = []
        for m in re.finditer(rf"^\$\(mod\)-{key}(?:-\S+)?\s*[:+]?=(.*)$", text, re.M):
            out += m.group(1).split()
        return out


def read_layers():
    """([(layer, [folder])], {public header: layer}, {module: headers allowed from above},
    {headers for programs})"""
    order, public, up, programs = [], {}, {}, set()
    with open("mk/layers", encoding="utf-8") as f:
        for line in f:
            words = line.split("#")[0].split()
            if not words:
                continue
            if words[0] == "layer":
                order.append((words[1], words[2].split(",")))
                public.update({h: words[1] for h in words[3:]})
            elif words[0] == "up":
                up.setdefault(words[1], set()).update(words[2:])
            elif words[0] == "programs":
                programs.update(words[1:])
            else:
                raise SystemExit(f"mk/layers: what is {words[0]}?")
    return order, public, up, programs


def find_modules(order):
    found = {}
    for folder in [folder for _, folders in order for folder in folders]:
        for base, dirs, files in os.walk(folder):
            dirs.sort()
            if "module.mk" in files and base not in found:
                found[base] = Module(base)
    return list(found.values())


def code_files(folder, others):
    """Sources and headers of a folder, without the folders of other modules."""
    for base, dirs, files in os.walk(folder):
        dirs[:] = sorted(d for d in dirs if os.path.join(base, d) not in others and d != "override")
        for name in sorted(files):
            if name.endswith((".c", ".h", ".S", ".lds.h")):
                yield os.path.join(base, name)


class Checker:
    """Collects complaints."""

    def __init__(self):
        self.order, self.public, self.up, self.programs = read_layers()
        self.modules = find_modules(self.order)
        self.by_name = {m.name: m for m in self.modules}
        self.folders = {m.folder: m for m in self.modules}
        self.errors = []
        self.includes = 0

    def error(self, where, text):
        self.errors.append(f"{where}: {text}")

    def level(self, module):
        for n, (_, folders) in enumerate(self.order):
            if any(module.folder == folder or module.folder.startswith(folder + "/") for folder in folders):
                return n
        raise AssertionError(module.folder)

    def layer(self, module):
        return self.order[self.level(module)][0]

    def may_include(self, m, d):
        """Is d in m's list, by its own name or as a part of a layer that m lists, or belongs to, as a whole?"""
        layer, folders = self.order[self.level(d)]
        return d.name in m.deps or len(folders) > 1 and (layer in m.deps or layer == self.layer(m))

    def let_up(self, m):
        """The headers of higher layers that m may see."""
        return self.up.get(m.name, set()) | self.up.get(self.layer(m), set())

    def owner(self, path):
        """The module that a file of the repository belongs to."""
        if path.startswith("include/"):
            layer = self.public.get(path[len("include/"):])
            return next((m for m in self.modules if self.layer(m) == layer), None)
        folder = os.path.dirname(path)
        while folder:
            if folder in self.folders:
                return self.folders[folder]
            folder = os.path.dirname(folder)
        return None

    def resolve(self, name, including, quoted):
        """The repository's file that the compiler would take, or None; a file of one kind of build sees that kind's headers."""
        arch = [folder for layer, folders in self.order if layer == "arch" for folder in folders]
        arch.sort(key=lambda folder: not including.startswith(folder + "/"))
        if including.startswith("plat/host/"):
            arch.reverse()
        places = ([os.path.dirname(including)] if quoted else []) + [".", "include"] + arch
        for place in places:
            path = os.path.normpath(os.path.join(place, name))
            if os.path.isfile(path) and not path.startswith("build/"):
                return path
        return None

    def check_lists(self):
        for m in self.modules:
            for dep in m.deps:
                d = self.by_name.get(dep)
                if d is None:
                    self.error(m.path, f"no module is called {dep}")
                elif d is m:
                    self.error(m.path, "lists itself")
                elif self.level(d) > self.level(m) and not self.let_up(m):
                    self.error(m.path, f"{dep} does not stand below {m.name}")
                elif self.level(d) == self.level(m) and m.name in d.deps:
                    self.error(m.path, f"{dep} and {m.name} use each other")
            for src in m.srcs:
                if not os.path.exists(os.path.join(m.folder, src)):
                    self.error(m.path, f"{src} is listed and does not exist")
            listed = {os.path.normpath(os.path.join(m.folder, s)) for s in m.srcs}
            for path in code_files(m.folder, self.folders):
                if path.endswith((".c", ".S")) and path not in listed and "/test/" not in path:
                    self.error(path, f"is not listed in {m.path}")
        for folder in [folder for _, folders in self.order for folder in folders]:
            if os.path.isdir(folder) and not any((f + "/").startswith(folder + "/") or folder.startswith(f + "/") for f in self.folders) \
                    and any(code_files(folder, ())):
                self.error(folder, "has sources and no module.mk")

    def check_includes(self):
        for m in self.modules:
            for path in code_files(m.folder, {f for f in self.folders if f != m.folder}):
                self.check_file(path, m)
        for base, _, files in os.walk("include"):
            for name in sorted(files):
                path = os.path.join(base, name)
                m = self.owner(path)
                if path[len("include/"):] in self.programs:
                    continue
                if m is None:
                    self.error(path, "belongs to no layer: name it in mk/layers")
                else:
                    self.check_file(path, m)

    def check_file(self, path, m):
        with open(path, encoding="utf-8", errors="replace") as f:
            text = f.read()
        if path.startswith("include/"):
            # What a hosted program sees of a public header is not the kernel's business; keep the line count.
            text = re.sub(r"^#if __STDC_HOSTED__$(.*?)^#(?=else$)", lambda m: re.sub(r"[^\n]", "", m.group(0)) + "#", text,
                          flags=re.M | re.S)
        for hit in INCLUDE.finditer(text):
            self.includes += 1
            quoted, name = hit.group(1) == '"', hit.group(2)
            where = f"{path}:{text.count(chr(10), 0, hit.start()) + 1}"
            target = self.resolve(name, path, quoted)
            if target is None:
                if name in GENERATED or m.hosted or (not quoted and name in FREESTANDING):
                    continue
                self.error(where, f"{name} is not one of this repository's headers nor a freestanding one")
                continue
            d = self.owner(target)
            if d is None:
                self.error(where, f"{name} belongs to no module")
            elif d is not m and not self.may_include(m, d) and name not in self.let_up(m):
                self.error(where, f"{name} is {d.name}'s, which is not in the list of {m.path}")
            elif d is not m and self.level(d) > self.level(m) and name not in self.let_up(m):
                self.error(where, f"{name} stands above {m.name}")

    def check_apps(self):
        for path in code_files("apps", ()):
            with open(path, encoding="utf-8", errors="replace") as f:
                text = f.read()
            for hit in INCLUDE.finditer(text):
                self.includes += 1
                name = hit.group(2)
                target = self.resolve(name, path, hit.group(1) == '"')
                if target and not target.startswith(("include/", "apps/")):
                    self.error(f"{path}:{text.count(chr(10), 0, hit.start()) + 1}", f"{name} is not a public header")


def main():
    os.chdir(ROOT)
    c = Checker()
    c.check_lists()
    c.check_includes()
    c.check_apps()
    for line in c.errors:
        print(line)
    if not c.errors and "-q" not in sys.argv:
        print(f"check-deps: {len(c.modules)} modules, {c.includes} includes, nothing goes up")
    return 1 if c.errors else 0


if __name__ == "__main__":
    sys.exit(main())
