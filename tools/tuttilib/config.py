#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Kconfig to files: config.h for the compiler, config.mk for make.

    config.py KCONFIG FRAGMENT OUTDIR [PLAT [CHECK]]

Reads the options (KCONFIG) and the settings (FRAGMENT), and writes OUTDIR/config.h and OUTDIR/config.mk, each only if its
contents change, so that make rebuilds nothing without need. A bool becomes `static const bool config_x`, so that both
branches always compile, and the macro CONFIG_X only if it is set, for headers and assembly. A setting that does not
exist, or that its own dependencies or range refuse, is an error: one line, exit status 2. The platform and the kind of
checked build are no settings but part of what is built; both files tell them in the same form.

kconfiglib is Debian's python3-kconfiglib, which belongs to /usr/bin/python3; where another interpreter comes first on
the path, the script starts itself again with that one.
"""

import os
import sys

DEBIAN_PYTHON = "/usr/bin/python3"


def import_kconfiglib():
    """The module, if need be in Debian's own interpreter; None if it is nowhere."""
    try:
        import kconfiglib  # pylint: disable=import-outside-toplevel
        return kconfiglib
    except ImportError:
        pass
    if os.path.realpath(sys.executable) != os.path.realpath(DEBIAN_PYTHON) and os.path.exists(DEBIAN_PYTHON) \
            and "TUTTI_KCONFIG_PYTHON" not in os.environ:
        os.environ["TUTTI_KCONFIG_PYTHON"] = DEBIAN_PYTHON
        os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON, os.path.abspath(__file__), *sys.argv[1:]])
    return None


def write_if_changed(path, text):
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return
    except OSError:
        pass
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".new", path)


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def settings(fragment):
    """{option: value} as written in the fragment, to compare with what Kconfig made of it."""
    out = {}
    with open(fragment, encoding="utf-8") as f:
        for line in f:
            line = line.strip()
            if line.startswith("# CONFIG_") and line.endswith(" is not set"):
                out[line[len("# CONFIG_"):-len(" is not set")]] = "n"
            elif line.startswith("CONFIG_") and "=" in line:
                name, value = line[len("CONFIG_"):].split("=", 1)
                out[name] = value.strip('"')
            elif line and not line.startswith("#"):
                raise ValueError(f"{fragment}: not a setting: {line}")
    return out


def variant_flags(plat="vm", check=""):
    """{constant: is it on} of what is chosen by building and not by a setting."""
    flags = {"PLAT_HOST": plat == "host", "REPLAY": check == "replay"}
    flags.update({"CHECK_" + kind.upper(): check == kind for kind in ("race", "memory", "undefined")})
    return flags


def main():
    if not 4 <= len(sys.argv) <= 6:
        print("usage: config.py KCONFIG FRAGMENT OUTDIR [PLAT [CHECK]]", file=sys.stderr)
        return 2
    kconfiglib = import_kconfiglib()
    if kconfiglib is None:
        print("tutti: python3-kconfiglib is not installed", file=sys.stderr)
        return 2
    kfile, fragment, outdir, *variant = sys.argv[1:]
    try:
        wanted = settings(fragment)
        os.environ["srctree"] = "."
        kconf = kconfiglib.Kconfig(kfile, warn=False)
        kconf.load_config(fragment)
    except (OSError, ValueError, kconfiglib.KconfigError) as e:
        print("tutti: " + str(e).splitlines()[0], file=sys.stderr)
        return 2
    options = kconf.unique_defined_syms
    known = {sym.name: sym for sym in options}
    for name, value in wanted.items():
        if name not in known:
            print(f"tutti: {fragment}: no option {name}; known: {' '.join(known)}", file=sys.stderr)
            return 2
        if known[name].str_value != value:
            print(f"tutti: {fragment}: {name}={value} is out of range or not possible here", file=sys.stderr)
            return 2

    head = [f"/* Generated from {kfile} and {fragment}. */", "#pragma once", ""]
    values = []
    flags = []
    make = [f"# Generated from {kfile} and {fragment}."]
    for sym in options:
        if sym.type == kconfiglib.BOOL:
            on = sym.str_value == "y"
            if on:
                values.append(f"#define CONFIG_{sym.name} 1")
            flags.append(f"static const bool config_{sym.name.lower()} = {'true' if on else 'false'};")
            make.append(f"CONFIG_{sym.name} := {'y' if on else ''}")
        elif sym.type == kconfiglib.STRING:
            values.append(f"#define CONFIG_{sym.name} {c_string(sym.str_value)}")
            make.append(f"CONFIG_{sym.name} := {sym.str_value}")
        else:
            values.append(f"#define CONFIG_{sym.name} {sym.str_value}")
            make.append(f"CONFIG_{sym.name} := {sym.str_value}")
    for name, on in variant_flags(*variant).items():
        if on:
            values.append(f"#define CONFIG_{name} 1")
        flags.append(f"static const bool config_{name.lower()} = {'true' if on else 'false'};")
        make.append(f"CONFIG_{name} := {'y' if on else ''}")
    os.makedirs(outdir, exist_ok=True)
    write_if_changed(os.path.join(outdir, "config.h"), "\n".join(
        head + values + ["", "#ifndef __ASSEMBLER__", "#include <stdbool.h>", ""] + flags + ["#endif", ""]))
    write_if_changed(os.path.join(outdir, "config.mk"), "\n".join(make + [""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
