#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The contracts of the public headers: what each function of include/uk/ and include/tutti/ promises and demands.

    contracts.py [--check | --write]     what is missing; whether docs/contracts.md is what the headers say; or write it

A contract is a comment that opens with two asterisks. It says what the function does, and then, each on lines of its own:

    Context:    who may call it, and whether it may sleep
    Locks:      which it takes, or which the caller holds
    Ownership:  who keeps and who gets which object
    Errors:     every error, or none
    Source:     optional: where the interface or the algorithm comes from

It stands in front of a prototype, an inline function or a function-like macro, and holds for those that follow without an empty
line. `Contract: as NAME()` refers to another one of the same header. One whose text begins `Every function below` holds for all
functions of its header that have none of their own. Names without the prefix uk_, ukplat_ or tutti_, those that end with an underscore
and the `_slow` halves are nobody's business; macros in capitals are constants and initialisers, except those that a contract stands
in front of.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ("include/uk", "include/tutti")
FIELDS = ("Context", "Locks", "Ownership", "Errors")
PREFIXES = ("uk_", "ukplat_", "tutti_")
OPTIONAL = ("Source", "Contract")
PAGE = "docs/contracts.md"
GENERAL = "Every function below"
FIELD = re.compile(r"^(%s):\s*(.*)$" % "|".join(FIELDS + OPTIONAL))
AS = re.compile(r"^as (\w+)\(\)")
ATTRIBUTE = re.compile(r"\b(?:__attribute__|_Static_assert|__asm__|_Alignas|[A-Z][A-Z0-9_]*)\s*\(")
HEAD = """# Contracts

What may be called from where. Made from the comments of the public headers by `tools/tuttilib/contracts.py --write`; `make lint` fails
where a function states none or this page is older than the headers. What a function does, its arguments and its units stand in the
header.
"""


class Contract:
    def __init__(self, path, line, text):
        self.where, self.general = "%s:%d" % (path, line), text.startswith(GENERAL)
        self.fields, name = {}, None
        for row in text.splitlines():
            hit = FIELD.match(row)
            if hit:
                name = hit.group(1)
                self.fields[name] = hit.group(2)
            elif name and row:
                self.fields[name] += " " + row
        self.like = AS.match(self.fields.get("Contract", ""))

    def missing(self):
        return [] if self.like else [name for name in FIELDS if not self.fields.get(name, "").strip()]


def closing(text, at, pair):
    """Index after the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        if text[i] == pair[0]:
            depth += 1
        elif text[i] == pair[1]:
            depth -= 1
            if not depth:
                return i + 1
    return len(text)


def blank(text):
    """The same text without comments (but contracts), strings and characters; line ends stay."""
    def gone(hit):
        word = hit.group(0)
        return word if word.startswith("/**") else re.sub(r"[^\n]", " ", word)
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", gone, text, flags=re.S)


def function_name(statement):
    """Of a declaration at file level; None if it declares no function."""
    if re.match(r"\s*(?:typedef|extern\s+\"C\")\b", statement) or re.match(r"\s*(?:struct|union|enum)\b[^()]*\{", statement):
        return None
    while True:
        hit = ATTRIBUTE.search(statement)
        if not hit:
            break
        statement = statement[:hit.start()] + statement[closing(statement, hit.end() - 1, "()"):]
    head = statement.split("=")[0]
    hit = re.search(r"\b([A-Za-z_]\w*)\s*\(", head)
    return hit.group(1) if hit else None


def items(text):
    """('contract', line, text), ('name', line, name), ('gap', line, None) in order."""
    text = blank(text)
    at, line_of = 0, lambda i: text.count("\n", 0, i) + 1
    while at < len(text):
        if text[at].isspace():
            end = at
            while end < len(text) and text[end].isspace():
                end += 1
            if text.count("\n", at, end) > 1:
                yield "gap", line_of(at), None
            at = end
        elif text.startswith("/**", at):
            end = text.index("*/", at) + 2
            body = [row.strip().lstrip("*").strip() for row in text[at + 3:end - 2].splitlines()]
            yield "contract", line_of(at), "\n".join(body).strip()
            at = end
        elif text[at] == "#":
            end = at
            while end < len(text) and text[end] != "\n":
                end = text.index("\n", end) + 1 if text.startswith("\\\n", end) else end + 1
            hit = re.match(r"#\s*define\s+(\w+)\(", text[at:end])
            if hit:
                yield "macro", line_of(at), hit.group(1)
            at = end
        else:
            end = at
            while end < len(text) and text[end] not in ";{":
                end = closing(text, end, "()") if text[end] == "(" else end + 1
            statement = text[at:end + 1]
            name = function_name(statement)
            if name:
                yield "name", line_of(at), name
            if text[end:end + 1] == "{":
                end = closing(text, end, "{}")
                if not name:            # a type or an object: up to its semicolon
                    while end < len(text) and text[end] != ";":
                        end = closing(text, end, "{}") if text[end] == "{" else end + 1
                    end += 1
            else:
                end += 1
            at = end


def public(name):
    return name.startswith(PREFIXES) and not name.endswith(("_", "_slow"))


def read(path, text):
    """([(name, contract)], complaints) of one header."""
    found, bare, out, current, general, used = [], {}, [], None, None, True
    for kind, line, value in items(text):
        if kind == "contract":
            current, used = Contract(path, line, value), False
            lost = current.missing()
            if lost:
                out.append("%s: contract without %s" % (current.where, ", ".join(name + ":" for name in lost)))
            if current.general:
                general, current, used = current, None, True
        elif kind == "gap":
            if used:
                current = None
        elif public(value) or (current and kind == "macro" and not value.endswith("_")):
            used = True
            contract = current or general
            if not contract:
                bare.setdefault(value, line)
            elif not any(name == value for name, _ in found):
                found.append((value, contract))
    known = dict(found)
    for name, line in bare.items():     # a prototype for attributes may stand before the function that states it
        if name not in known:
            out.append("%s:%d: %s() states no contract (/** ... Context: Locks: Ownership: Errors: */)" % (path, line, name))
    resolved = []
    for name, contract in found:
        seen = set()
        while contract.like and contract.like.group(1) in known and contract.where not in seen:
            seen.add(contract.where)
            contract = known[contract.like.group(1)]
        if contract.like:
            out.append("%s: no %s() with a contract in this header" % (contract.where, contract.like.group(1)))
        resolved.append((name, contract))
    return resolved, out


def headers(root):
    for folder in FOLDERS:
        for base, sub, names in os.walk(os.path.join(root, folder)):
            sub.sort()
            for name in sorted(names):
                if name.endswith(".h"):
                    yield os.path.relpath(os.path.join(base, name), root)


def cell(text):
    return re.sub(r"\s+", " ", text).strip().rstrip(".").replace("|", "\\|")


def page(root=ROOT):
    """(text of docs/contracts.md, complaints)."""
    text, out = [HEAD], []
    for path in headers(root):
        with open(os.path.join(root, path), encoding="utf-8") as f:
            found, complaints = read(path, f.read())
        out += complaints
        rows = {}
        for name, contract in found:
            rows.setdefault(tuple(cell(contract.fields.get(field, "")) for field in FIELDS), []).append(name)
        if rows:
            text.append("## <%s>\n\n| function | context | locks | ownership | errors |\n|---|---|---|---|---|" % path[len("include/"):])
            text += ["| %s | %s |" % (", ".join("`%s`" % name for name in names), " | ".join(fields)) for fields, names in rows.items()]
            text.append("")
    return "\n".join(text), out


def check(root=ROOT):
    text, out = page(root)
    try:
        with open(os.path.join(root, PAGE), encoding="utf-8") as f:
            same = f.read() == text
    except FileNotFoundError:
        same = False
    return out + ([] if same else ["%s: not what the headers say (make format)" % PAGE])


def write(root=ROOT):
    text, out = page(root)
    with open(os.path.join(root, PAGE), "w", encoding="utf-8") as f:
        f.write(text)
    return out


def main():
    action = write if sys.argv[1:] == ["--write"] else check
    complaints = action()
    print("\n".join(complaints), end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
