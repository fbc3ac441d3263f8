/* SPDX-License-Identifier: BSD-3-Clause */
/* Open files as the rest of the module uses them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* May this descriptor be mapped? 0, -EBADF, -ENODEV, -EACCES. */
long posix_file_check_map(int fd);
/* As pread(2), into application memory. */
long posix_file_pread(int fd, void *user, size_t len, uint64_t offset);
