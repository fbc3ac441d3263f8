# SPDX-License-Identifier: BSD-3-Clause
mod := lib
$(mod)-srcs := fmt.c rbtree.c ring.c
$(mod)-deps :=
