# SPDX-License-Identifier: BSD-3-Clause
#
# What a checked build adds (make CHECK=KIND): flags for tutti's own code, for programs, for linking an image. mk/ applies them;
# check/module.mk says which run-time answers the calls. gcc's spelling; clang's is `-mllvm -tsan-distinguish-volatile=1` and
# `-mllvm -asan-mapping-offset=0x...`.

CHECK_COMMA := ,
check_wrap = $(addprefix -Wl$(CHECK_COMMA)--wrap=,$(1))

# ---- race: check/race.c; replay has the same calls answered by plat/host ----
# Fences are understood here, which is what the compiler's warning denies.
CHECK_CFLAGS_race := -fsanitize=thread --param tsan-distinguish-volatile=1 -Wno-tsan
CHECK_APP_CFLAGS_race := $(CHECK_CFLAGS_race)
CHECK_CFLAGS_replay := $(CHECK_CFLAGS_race)
# A call in every basic block: a loop of a program that touches no memory has to have a change point, too.
CHECK_APP_CFLAGS_replay := $(CHECK_CFLAGS_race) -fsanitize-coverage=trace-pc
CHECK_PLATS_race := vm host
CHECK_PLATS_replay := host

# Functions of the C library that order memory (POSIX.1-2017, XBD 4.12) and those by which memory changes hands: the same list
# as in check/race_wrap.S.
CHECK_WRAP_race := pthread_create pthread_join pthread_mutex_lock pthread_mutex_trylock pthread_mutex_timedlock \
	pthread_mutex_unlock pthread_cond_wait pthread_cond_timedwait pthread_cond_signal pthread_cond_broadcast \
	pthread_rwlock_rdlock pthread_rwlock_tryrdlock pthread_rwlock_timedrdlock pthread_rwlock_wrlock \
	pthread_rwlock_trywrlock pthread_rwlock_timedwrlock pthread_rwlock_unlock pthread_spin_lock pthread_spin_trylock \
	pthread_spin_unlock pthread_barrier_wait pthread_once sem_post sem_wait sem_trywait sem_timedwait \
	mtx_lock mtx_trylock mtx_timedlock mtx_unlock cnd_wait cnd_timedwait cnd_signal cnd_broadcast thrd_create thrd_join \
	call_once flockfile ftrylockfile funlockfile malloc calloc realloc free posix_memalign aligned_alloc memalign
CHECK_LDFLAGS_race := $(call check_wrap,$(CHECK_WRAP_race))

# ---- memory: check/memory.c ----
# Every access is a call; the shadow starts at CHECK_SHADOW_START of check/shadow.h.
CHECK_CFLAGS_memory := -fsanitize=kernel-address -fasan-shadow-offset=0x600000000000 \
	--param asan-instrumentation-with-call-threshold=0 --param asan-stack=1 --param asan-globals=1 \
	--param asan-instrument-allocas=1 -fsanitize-address-use-after-scope
# A block that the program does nothing with is still allocated and freed: a compiler that knows malloc() would leave both out.
CHECK_APP_CFLAGS_memory := $(CHECK_CFLAGS_memory) $(addprefix -fno-builtin-,malloc calloc realloc free aligned_alloc)
CHECK_PLATS_memory := host

# What check/strings.c looks at before or after the C library does it; its own calls (strdup, getline) go the same way.
CHECK_WRAP_memory := memcpy memmove memset memcmp memchr mempcpy strlen strnlen strcpy stpcpy strncpy strcat strncat strcmp \
	strncmp strchr strrchr strlcpy strlcat sprintf snprintf vsprintf vsnprintf fgets fread fwrite read write \
	longjmp _longjmp
CHECK_LDFLAGS_memory := $(call check_wrap,$(CHECK_WRAP_memory))

# ---- undefined: check/undefined.c ----
# vptr is C++.
CHECK_CFLAGS_undefined := -fsanitize=undefined -fno-sanitize=vptr
CHECK_APP_CFLAGS_undefined := $(CHECK_CFLAGS_undefined)
CHECK_LDFLAGS_undefined :=
CHECK_PLATS_undefined := vm host
