// SPDX-License-Identifier: BSD-3-Clause
/*
 * Application memory and time values as system calls see them. A bad pointer gives -EFAULT: every access goes through
 * arch_user_copy(), whose faults are resolved by demand paging or end at a fix-up. No state, no locks; thread context.
 * A path is copied into a page frame first, so that it cannot change while it is looked up; no frame left is -ENOMEM.
 */
#include <arch/paging.h>
#include <arch/uaccess.h>

#include "mm/frames.h"
#include "plat/plat.h"
#include "posix/posix.h"

int posix_copy_in(void *dst, const void *user, size_t len)
{
	return arch_user_copy(dst, user, len);
}

int posix_copy_out(void *user, const void *src, size_t len)
{
	return arch_user_copy(user, src, len);
}

int posix_path_get(const char *user, char **path)
{
	long len = arch_user_strnlen(user, ABI_PATH_MAX);
	paddr_t pa;
	int err;

	if (len < 0)
		return (int)len;
	if (len >= ABI_PATH_MAX)
		return -ENAMETOOLONG;
	pa = frame_alloc(0, 0);
	if (pa == FRAME_NONE)
		return -ENOMEM;
	*path = arch_phys_to_virt(pa);
	err = posix_copy_in(*path, user, (size_t)len);
	(*path)[len] = 0;
	if (err)
		posix_path_put(*path);
	return err;
}

void posix_path_put(char *path)
{
	frame_free(arch_virt_to_phys(path), 0);
}

int posix_timespec_in(const struct abi_timespec *user, uint64_t *ns)
{
	struct abi_timespec ts;

	if (posix_copy_in(&ts, user, sizeof(ts)))
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= (int64_t)NSEC_PER_SEC)
		return -EINVAL;
	*ns = (uint64_t)ts.sec >= INT64_MAX / NSEC_PER_SEC ? INT64_MAX
							   : (uint64_t)ts.sec * NSEC_PER_SEC + (uint64_t)ts.nsec;
	return 0;
}

int posix_timespec_out(struct abi_timespec *user, uint64_t ns)
{
	struct abi_timespec ts = { (int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC) };

	return posix_copy_out(user, &ts, sizeof(ts));
}

uint64_t posix_deadline_in(uint64_t ns)
{
	uint64_t now = plat_monotonic_ns();

	return ns >= UINT64_MAX - 1 - now ? UINT64_MAX - 1 : now + ns;
}

uint64_t posix_deadline_at(int clock, uint64_t ns)
{
	uint64_t offset;

	if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE && clock != CLOCK_TAI)
		return ns;
	/* The two clocks differ by a constant: the machine's start. */
	offset = plat_realtime_ns() - plat_monotonic_ns();
	return ns > offset ? ns - offset : 0;
}
