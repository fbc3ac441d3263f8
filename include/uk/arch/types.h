/* SPDX-License-Identifier: BSD-3-Clause */
/* Type names of Unikraft's public headers (uk/arch/types.h), for x86-64: only those that the kept interfaces use. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef int8_t __s8;
typedef uint8_t __u8;
typedef int16_t __s16;
typedef uint16_t __u16;
typedef int32_t __s32;
typedef uint32_t __u32;
typedef int64_t __s64;
typedef uint64_t __u64;
typedef size_t __sz;
typedef long __ssz;
typedef uintptr_t __uptr;
typedef __s64 __nsec;

#define __NSEC_MAX INT64_MAX

#ifndef __NULL
#define __NULL ((void *)0)
#endif
#ifndef __PAGE_SHIFT
#define __PAGE_SHIFT 12
#endif
#ifndef __PAGE_SIZE
#define __PAGE_SIZE 4096ul
#endif
