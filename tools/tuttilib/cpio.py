# SPDX-License-Identifier: BSD-3-Clause
"""The initial archive a machine starts with: cpio "newc", the format of the Linux initramfs.

It carries the program's arguments (`.tutti/args`) and environment (`.tutti/env`), each entry ended by a zero byte, and the
read-only file tree the program sees. Bytes go in as they are; nothing is quoted. A Linux process has arguments and environment of its
own and gets the tree alone.
"""

import os
import stat


def _entry(name, mode, data, inode, mtime=0):
    raw = name + b"\0"
    fields = (inode, mode, 0, 0, 1, mtime, len(data), 0, 0, 0, 0, len(raw), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + raw
    head += b"\0" * (-len(head) % 4)
    return head + data + b"\0" * (-len(data) % 4)


def tree(top):
    """(name, mode, data) of every file, folder and symbolic link below `top`, parents first, in a fixed order."""
    for folder, folders, files in os.walk(top):
        folders.sort()
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            info = os.lstat(path)
            inside = os.fsencode(os.path.relpath(path, top))
            if stat.S_ISDIR(info.st_mode):
                data = b""
            elif stat.S_ISLNK(info.st_mode):
                data = os.fsencode(os.readlink(path))
            elif stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    data = file.read()
            else:
                continue
            yield inside, info.st_mode, data


def archive(argv, env, top=None):
    """The archive for `argv` and `env` (lists of bytes) and the file tree below `top`."""
    entries = [
        (b".tutti", stat.S_IFDIR | 0o755, b""),
        (b".tutti/args", stat.S_IFREG | 0o444, b"".join(arg + b"\0" for arg in argv)),
        (b".tutti/env", stat.S_IFREG | 0o444, b"".join(item + b"\0" for item in env)),
    ]
    if top:
        entries += tree(top)
    return pack(entries)


def files(top):
    """The archive of the file tree alone; None without one."""
    return pack(list(tree(top))) if top else None


def pack(entries):
    """The archive of (name, mode, data), parents first."""
    blob = b"".join(_entry(name, mode, data, number) for number, (name, mode, data) in enumerate(entries, 1))
    blob += _entry(b"TRAILER!!!", 0, b"", 0)
    return blob + b"\0" * (-len(blob) % 512)
