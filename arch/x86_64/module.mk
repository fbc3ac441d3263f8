# SPDX-License-Identifier: BSD-3-Clause
mod := arch
$(mod)-srcs := boot.S entry.S context.S uaccess.S cpu.c trap.c tls.c
$(mod)-deps := lib sync
