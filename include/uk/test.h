/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests in three levels: suite, case, expectation. Macros and their meaning as in Unikraft 0.17 (uk/test.h).
 *
 *	UK_TESTCASE(mylib_testsuite, mylib_test_adds)
 *	{
 *		UK_TEST_EXPECT_SNUM_EQ(1 + 1, 2);
 *	}
 *	uk_testsuite_register(mylib_testsuite, NULL);
 *
 * Registered suites run before main(), as constructors, in the order of their stage and priority. Each case and each
 * expectation is reported on standard output, with PASSED or FAILED; the numbers of suites, cases and expectations
 * follow at the end. A failed expectation does not end its case. uk_test_failures() tells main() how it went.
 *
 * Differences: an expectation is known from the first time it is reached (so none is listed as not run); a case may use
 * threads: expectations are counted atomically. This header holds all of it and needs only the C library.
 */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/**
 * Every function below, and every macro:
 * Context: thread, may sleep (it prints); expectations may be made by several threads of a case at once
 * Locks: those of the C library's streams
 * Ownership: suites, cases and expectations are static objects
 * Errors: none; uk_testsuite_run() returns what the suite's init did
 * Source: Unikraft 0.17, uk/test.h
 */

#define UK_TEST_ASSERT_NOT_RUN 0
#define UK_TEST_ASSERT_SUCCESS 1
#define UK_TEST_ASSERT_FAIL    2

#define UKT_COLWIDTH 80

/* One expectation in the source; a failure is for ever, however often it is reached again. */
struct uk_assert {
	unsigned short status;	/* [a] UK_TEST_ASSERT_* */
	unsigned short line;	/* [I] */
	struct uk_assert *next; /* [I] once on its case's list */
	int listed;		/* [a] */
};

struct uk_testcase {
	const char *name;
	const char *desc; /* or NULL */
	void (*func)(struct uk_testcase *esac);
	struct uk_assert *asserts; /* [a] newest first */
	const char *file;
	struct uk_testcase *next;
};

struct uk_testsuite {
	const char *name;
	int (*init)(struct uk_testsuite *suite); /* or NULL; nonzero: no case is run and the suite has failed */
	struct uk_testcase *cases;		 /* in order of definition */
	struct uk_testcase **cases_tail;
	unsigned int failed_cases;
};

/* Totals of this program: suites, cases and expectations. */
struct uk_test_totals {
	unsigned int suites, cases, asserts;
	unsigned int failed_suites, failed_cases, failed_asserts;
};
__attribute__((weak)) struct uk_test_totals uk_test_totals;

/* Suites that failed so far: 0 is success. */
static inline unsigned int uk_test_failures(void)
{
	return uk_test_totals.failed_suites;
}

#define uk_test_printf(fmt, ...) printf("\t" fmt, ##__VA_ARGS__)

#define _UK_TESTSUITE_NAME(suite)	testsuite_##suite
#define _UK_TESTSUITE_RUN_NAME(suite)	testsuite_run_##suite
#define _UK_TESTCASE_NAME(suite, esac)	_uk_testsuite_##suite##_case_##esac
#define _UK_TESTCASE_LABEL(suite, esac) _uk_testtab_##suite##_##esac
#define _UK_TESTCASE_ADD(suite, esac)	_uk_testadd_##suite##_##esac

/* Constructors run in order of priority; below 101 is the system. Cases come before the suites that run them. */
#define UK_TEST_PRIO_CASES    900
#define UK_TEST_PRIO_CTORCALL 910
#define UK_TEST_PRIO_EARLY    920
#define UK_TEST_PRIO_PLAT     930
#define UK_TEST_PRIO_LIB      940
#define UK_TEST_PRIO_ROOTFS   950
#define UK_TEST_PRIO_SYS      960
#define UK_TEST_PRIO_LATE     970
#define UK_TEST_PRIO_STATS    990
#ifndef UK_PRIO_LATEST
#define UK_PRIO_EARLIEST 0
#define UK_PRIO_LATEST	 9
#endif

#define uk_test_assert_foreach(esac, assert)                                                   \
	for ((assert) = __atomic_load_n(&(esac)->asserts, __ATOMIC_ACQUIRE); (assert) != NULL; \
	     (assert) = (assert)->next)
#define uk_testsuite_case_foreach(suite, esac) for ((esac) = (suite)->cases; (esac) != NULL; (esac) = (esac)->next)

static inline void _uk_testsuite_add(struct uk_testsuite *suite, struct uk_testcase *esac)
{
	if (!suite->cases_tail)
		suite->cases_tail = &suite->cases;
	*suite->cases_tail = esac;
	suite->cases_tail = &esac->next;
}

static inline void _uk_test_print_totals(void)
{
	const struct uk_test_totals *t = &uk_test_totals;

	printf("uktest:suites:     ");
	if (t->failed_suites)
		printf("%u failed, ", t->failed_suites);
	printf("%u total\nuktest:cases:      ", t->suites);
	if (t->failed_cases)
		printf("%u failed, ", t->failed_cases);
	printf("%u total\nuktest:assertions: ", t->cases);
	if (t->failed_asserts)
		printf("%u failed, ", t->failed_asserts);
	printf("%u total\n", t->asserts);
	fflush(stdout);
}

/* Run all cases of a suite: 0, or what its init gave. Thread context. */
__attribute__((weak)) int uk_testsuite_run(struct uk_testsuite *suite)
{
	struct uk_testcase *esac;
	struct uk_assert *a;
	int ret = 0;

	uk_test_totals.suites++;
	if (suite->init)
		ret = suite->init(suite);
	if (ret) {
		printf("Could not initialize test suite: %s\n", suite->name);
		uk_test_totals.failed_suites++;
		return ret;
	}
	uk_testsuite_case_foreach(suite, esac)
	{
		unsigned int failed = 0;

		uk_test_totals.cases++;
		printf("test: %s->%s%s%s\n", suite->name, esac->name, esac->desc ? ": " : "",
		       esac->desc ? esac->desc : "");
		esac->func(esac);
		uk_test_assert_foreach(esac, a)
		{
			uk_test_totals.asserts++;
			failed += a->status == UK_TEST_ASSERT_FAIL;
		}
		if (failed) {
			suite->failed_cases++;
			uk_test_totals.failed_cases++;
			uk_test_totals.failed_asserts += failed;
		}
	}
	if (suite->failed_cases)
		uk_test_totals.failed_suites++;
	return 0;
}

/* After the last stage. */
__attribute__((weak, constructor(UK_TEST_PRIO_STATS))) void uk_test_print_stats(void)
{
	if (uk_test_totals.suites)
		_uk_test_print_totals();
}

__attribute__((unused, format(printf, 4, 5))) static void _uk_test_do_assert(struct uk_testcase *esac,
									     struct uk_assert *a, int cond,
									     const char *fmt, ...)
{
	static const char dots[] = "................................................................................";
	char msg[UKT_COLWIDTH];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (n < 0 || n > (int)sizeof(msg) - 1)
		n = (int)sizeof(msg) - 1;
	uk_test_printf("%s %.*s [ %s ]\n", msg, UKT_COLWIDTH - n, dots, cond ? "PASSED" : "FAILED");
	if (!cond)
		uk_test_printf("  in %s:%d\n", esac->file, a->line);
	if (!__atomic_exchange_n(&a->listed, 1, __ATOMIC_ACQ_REL)) {
		a->next = __atomic_load_n(&esac->asserts, __ATOMIC_RELAXED);
		while (!__atomic_compare_exchange_n(&esac->asserts, &a->next, a, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
			;
	}
	if (!cond) {
		__atomic_store_n(&a->status, UK_TEST_ASSERT_FAIL, __ATOMIC_RELAXED);
	} else {
		unsigned short not_run = UK_TEST_ASSERT_NOT_RUN;

		__atomic_compare_exchange_n(&a->status, &not_run, UK_TEST_ASSERT_SUCCESS, 0, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
	}
}

/* ---- cases ---- */

#define UK_TESTCASE_DESC(suite, fn, dsc)                                                                             \
	extern struct uk_testsuite _UK_TESTSUITE_NAME(suite);                                                        \
	void _UK_TESTCASE_NAME(suite, fn)(struct uk_testcase * esac);                                                \
	struct uk_testcase _UK_TESTCASE_LABEL(                                                                       \
		suite, fn) = { .name = #fn, .desc = (dsc), .func = _UK_TESTCASE_NAME(suite, fn), .file = __FILE__ }; \
	__attribute__((constructor(UK_TEST_PRIO_CASES))) static void _UK_TESTCASE_ADD(suite, fn)(void)               \
	{                                                                                                            \
		_uk_testsuite_add(&_UK_TESTSUITE_NAME(suite), &_UK_TESTCASE_LABEL(suite, fn));                       \
	}                                                                                                            \
	void _UK_TESTCASE_NAME(suite, fn)(struct uk_testcase * esac __attribute__((unused)))

#define UK_TESTCASE(suite, fn) UK_TESTCASE_DESC(suite, fn, NULL)

/* ---- suites ---- */

#define _UK_TESTSUITE_AT(suite, initfn, constructor_prio)                                              \
	extern struct uk_testsuite _UK_TESTSUITE_NAME(suite);                                          \
	struct uk_testsuite _UK_TESTSUITE_NAME(suite) = { .name = #suite, .init = (initfn) };          \
	__attribute__((constructor(constructor_prio))) static void _UK_TESTSUITE_RUN_NAME(suite)(void) \
	{                                                                                              \
		uk_testsuite_run(&_UK_TESTSUITE_NAME(suite));                                          \
	}                                                                                              \
	_Static_assert(1, "takes the semicolon")

/* Priorities 0 (first) to 9 within a stage. */
#define UK_TESTSUITE_AT_CTORCALL_PRIO(suite, initfn, prio) \
	_UK_TESTSUITE_AT(suite, initfn, UK_TEST_PRIO_CTORCALL + (prio))
#define uk_testsuite_early_prio(suite, initfn, prio)  _UK_TESTSUITE_AT(suite, initfn, UK_TEST_PRIO_EARLY + (prio))
#define uk_testsuite_plat_prio(suite, initfn, prio)   _UK_TESTSUITE_AT(suite, initfn, UK_TEST_PRIO_PLAT + (prio))
#define uk_testsuite_lib_prio(suite, initfn, prio)    _UK_TESTSUITE_AT(suite, initfn, UK_TEST_PRIO_LIB + (prio))
#define uk_testsuite_rootfs_prio(suite, initfn, prio) _UK_TESTSUITE_AT(suite, initfn, UK_TEST_PRIO_ROOTFS + (prio))
#define uk_testsuite_sys_prio(suite, initfn, prio)    _UK_TESTSUITE_AT(suite, initfn, UK_TEST_PRIO_SYS + (prio))
#define uk_testsuite_late_prio(suite, initfn, prio)   _UK_TESTSUITE_AT(suite, initfn, UK_TEST_PRIO_LATE + (prio))
#define uk_testsuite_prio(suite, initfn, prio)	      uk_testsuite_late_prio(suite, initfn, prio)
#define uk_testsuite_register(suite, initfn)	      uk_testsuite_prio(suite, initfn, UK_PRIO_LATEST)

/* ---- expectations, inside a case ---- */

#define UK_TEST_STRINGIFY_(x) #x

#define UK_TEST_ASSERTF(cond, fmt, ...)                                                             \
	do {                                                                                        \
		static struct uk_assert uk_assert_ = { UK_TEST_ASSERT_NOT_RUN, __LINE__, NULL, 0 }; \
		_uk_test_do_assert(esac, &uk_assert_, !!(cond), fmt, ##__VA_ARGS__);                \
	} while (0)

#define UK_TEST_EXPECT(cond) UK_TEST_ASSERTF((cond), "expected `%s` to be true", #cond)
#define UK_TEST_ASSERT(cond) UK_TEST_EXPECT(cond)

#define _UK_TEST_EXPECT_A_COND_B(a, cond, b, desc, type, fmt)                                                         \
	do {                                                                                                          \
		type uk_a_ = (type)(a);                                                                               \
		type uk_b_ = (type)(b);                                                                               \
		int uk_c_ = (uk_a_ cond uk_b_);                                                                       \
		UK_TEST_ASSERTF(uk_c_, "expected `%s` to " desc " " fmt " %s was " fmt, UK_TEST_STRINGIFY_(a), uk_b_, \
				uk_c_ ? "and" : "but", uk_a_);                                                        \
	} while (0)

#define UK_TEST_EXPECT_NULL(exp)     _UK_TEST_EXPECT_A_COND_B(exp, ==, NULL, "be", void *, "%p")
#define UK_TEST_EXPECT_NOT_NULL(exp) _UK_TEST_EXPECT_A_COND_B(exp, !=, NULL, "not be", void *, "%p")
#define UK_TEST_EXPECT_ZERO(exp)     _UK_TEST_EXPECT_A_COND_B(exp, ==, 0, "be", long, "%ld")
#define UK_TEST_EXPECT_NOT_ZERO(exp) _UK_TEST_EXPECT_A_COND_B(exp, !=, 0, "not be", long, "%ld")
#define UK_TEST_EXPECT_PTR_EQ(a, b)  _UK_TEST_EXPECT_A_COND_B(a, ==, b, "be", void *, "%p")
#define UK_TEST_EXPECT_BYTES_EQ(a, b, size)                                                                   \
	do {                                                                                                  \
		const void *uk_a_ = (a), *uk_b_ = (b);                                                        \
		UK_TEST_ASSERTF(memcmp(uk_a_, uk_b_, (size)) == 0, "expected `%s` at %p to equal `%s` at %p", \
				UK_TEST_STRINGIFY_(a), uk_a_, UK_TEST_STRINGIFY_(b), uk_b_);                  \
	} while (0)
#define UK_TEST_EXPECT_SNUM_EQ(a, b) _UK_TEST_EXPECT_A_COND_B(a, ==, b, "be", long, "%ld")
#define UK_TEST_EXPECT_SNUM_NQ(a, b) _UK_TEST_EXPECT_A_COND_B(a, !=, b, "not be", long, "%ld")
#define UK_TEST_EXPECT_SNUM_GT(a, b) _UK_TEST_EXPECT_A_COND_B(a, >, b, "be greater than", long, "%ld")
#define UK_TEST_EXPECT_SNUM_GE(a, b) _UK_TEST_EXPECT_A_COND_B(a, >=, b, "be greater than or equal to", long, "%ld")
#define UK_TEST_EXPECT_SNUM_LT(a, b) _UK_TEST_EXPECT_A_COND_B(a, <, b, "be less than", long, "%ld")
#define UK_TEST_EXPECT_SNUM_LE(a, b) _UK_TEST_EXPECT_A_COND_B(a, <=, b, "be less than or equal to", long, "%ld")
