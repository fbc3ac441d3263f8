# SPDX-License-Identifier: BSD-3-Clause
"""The few facts the tool wants from an ELF file: is it one, what can run it, how much memory does it take, what is its build id."""

import struct

from .console import Failure

PT_LOAD, PT_NOTE = 1, 4
ET_EXEC = 2
NOTE_BUILD_ID, NOTE_PVH_ENTRY, NOTE_HOST = 3, 18, 1


class Elf:
    """Header facts of a 32 or 64 bit little-endian ELF file; Failure if the file is none."""

    def __init__(self, path):
        self.path = path
        self.build_id = ""
        self.bootable = False   # as a virtual machine
        self.host = False       # as a Linux process
        self.fixed = False      # linked at the addresses it runs at
        self.phys_top = 0       # end of the highest loaded segment, physical
        self.virt_low, self.virt_top = 0, 0
        try:
            with open(path, "rb") as file:
                self._read(file)
        except OSError as error:
            raise Failure("%s: %s" % (path, error.strerror))
        except struct.error:
            raise Failure("%s: the file is cut short" % path)

    def _read(self, file):
        ident = file.read(16)
        if ident[:4] != b"\x7fELF" or len(ident) < 16 or ident[5] != 1:
            raise Failure("%s is not a bootable image (no ELF file)" % self.path)
        wide = ident[4] == 2
        self.fixed = struct.unpack("<H", self._at(file, 16, 2))[0] == ET_EXEC
        if wide:
            phoff, = struct.unpack("<Q", self._at(file, 32, 8))
            size, count = struct.unpack("<HH", self._at(file, 54, 4))
        else:
            phoff, = struct.unpack("<I", self._at(file, 28, 4))
            size, count = struct.unpack("<HH", self._at(file, 42, 4))
        lows = []
        for number in range(count):
            raw = self._at(file, phoff + number * size, size)
            if wide:
                kind, _, offset, vaddr, paddr, filesz, memsz, _ = struct.unpack("<IIQQQQQQ", raw[:56])
            else:
                kind, offset, vaddr, paddr, filesz, memsz, _, _ = struct.unpack("<IIIIIIII", raw[:32])
            if kind == PT_LOAD:
                lows.append(vaddr)
                self.phys_top = max(self.phys_top, paddr + memsz)
                self.virt_top = max(self.virt_top, vaddr + memsz)
            elif kind == PT_NOTE:
                self._notes(self._at(file, offset, filesz))
        self.virt_low = min(lows, default=0)

    @staticmethod
    def _at(file, offset, size):
        file.seek(offset)
        return file.read(size)

    def _notes(self, blob):
        at = 0
        while at + 12 <= len(blob):
            namesz, descsz, kind = struct.unpack_from("<III", blob, at)
            name = blob[at + 12:at + 12 + namesz].rstrip(b"\0")
            start = at + 12 + (namesz + 3 & ~3)
            if name == b"GNU" and kind == NOTE_BUILD_ID:
                self.build_id = blob[start:start + descsz].hex()
            if name == b"Xen" and kind == NOTE_PVH_ENTRY:
                self.bootable = True
            if name == b"tutti" and kind == NOTE_HOST:
                self.host = True
            at = start + (descsz + 3 & ~3)
