/* SPDX-License-Identifier: BSD-3-Clause */
/* ChaCha20 block function (RFC 8439, 2.3), for the random generator and its test. Pure; any context. */
#pragma once

#include <stdint.h>

/* One 64-byte block of key stream from 32 bytes of key, the block counter and 12 bytes of nonce. */
void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint8_t out[64]);
