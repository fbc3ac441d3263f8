// SPDX-License-Identifier: BSD-3-Clause
/* The inner loop of the two false sharing benchmarks: an object's bytes, incremented one by one, over and over. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Sweeps `sweeps` times over the object, reading and writing every byte each time (volatile: each access happens, which
 * is what makes a shared cache line travel). Returns whether every byte has counted exactly its increments.
 */
static inline bool sweep_object(volatile unsigned char *object, size_t size, long sweeps, unsigned char seed)
{
	size_t i;
	long n;

	for (i = 0; i < size; i++)
		object[i] = (unsigned char)(seed + i);
	for (n = 0; n < sweeps; n++)
		for (i = 0; i < size; i++)
			object[i]++;
	for (i = 0; i < size; i++)
		if (object[i] != (unsigned char)(seed + i + (unsigned long)sweeps))
			return false;
	return true;
}
