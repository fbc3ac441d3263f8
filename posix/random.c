// SPDX-License-Identifier: BSD-3-Clause
/*
 * Random bytes: ChaCha20 with fast key erasure (D. J. Bernstein, "Fast-key-erasure random-number generators", 2017). Each
 * request takes one block under the spin lock: half of it replaces the key, half becomes the request's own key, from which
 * the output is made without the lock. A state read later does not tell what was given out before.
 *
 * Seed: 32 bytes of the hardware generator. A machine with none says so once and is seeded from its clocks and addresses:
 * it boots, and its random numbers can be guessed. Before posix_random_init() nobody asks. Thread context; no allocation.
 */
#include "lib/string.h"
#include "plat/plat.h"
#include "posix/posix.h"
#include "posix/random.h"
#include "uk/spinlock.h"

LOCK_CLASS(random_class, "random state", 50, 0, "state of the random number generator");

static struct {
	struct uk_spinlock lock;
	uint32_t key[8]; /* [lock] */
} rng = { .lock = SPINLOCK_INIT(&random_class) };

static const uint32_t nonce[3];

static void next_key(uint32_t out[8])
{
	uint8_t block[64];

	uk_spin_lock(&rng.lock);
	chacha20_block(rng.key, 0, nonce, block);
	memcpy(rng.key, block, 32);
	uk_spin_unlock(&rng.lock);
	memcpy(out, block + 32, 32);
	memset(block, 0, sizeof(block));
}

void posix_random_bytes(void *buf, size_t len)
{
	uint32_t key[8];
	uint8_t block[64], *dst = buf;

	next_key(key);
	if (len <= sizeof(key)) {
		memcpy(dst, key, len);
		len = 0;
	}
	for (uint32_t i = 0; len; i++) {
		size_t n = MIN(len, sizeof(block));

		chacha20_block(key, i, nonce, block);
		memcpy(dst, block, n);
		dst += n;
		len -= n;
	}
	memset(key, 0, sizeof(key));
	memset(block, 0, sizeof(block));
	__asm__ volatile("" ::"r"(key), "r"(block) : "memory");
}

void posix_random_init(void)
{
	const struct plat_bootinfo *bi = plat_bootinfo();
	uint8_t block[64];

	if (plat_entropy(rng.key, sizeof(rng.key)))
		return;
	kwarn("this machine has no hardware random generator (RDSEED, RDRAND): random numbers can be guessed");
	for (unsigned i = 0; i < 64; i++) {
		uint64_t mix[4] = { plat_monotonic_ns(), plat_realtime_ns(), bi->tsc_entry,
				    (uintptr_t)bi ^ bi->phys_top };

		for (unsigned k = 0; k < 8; k++)
			rng.key[k] ^= ((const uint32_t *)mix)[k];
		chacha20_block(rng.key, i, nonce, block);
		memcpy(rng.key, block, 32);
	}
}
