// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 expect-stdout=uktest:assertions:
/*
 * uk/test.h: every macro, its result when true and when false, the order of the stages, initialisation that fails, and
 * that a failure stays a failure. The suite `uk_test_negative` is run by hand, so that its failures are expected here.
 */
#include "check.h"

#include <uk/test.h>

static char order[32];
static unsigned order_len;

static int note(char c)
{
	order[order_len++] = c;
	return 0;
}

#define STAGE(name, letter)                                                        \
	static int init_##name(struct uk_testsuite *suite __attribute__((unused))) \
	{                                                                          \
		return note(letter);                                               \
	}                                                                          \
	UK_TESTCASE(suite_##name, runs)                                            \
	{                                                                          \
		UK_TEST_EXPECT(order[order_len - 1] == letter);                    \
	}
STAGE(late, 'l')
STAGE(late0, 'L')
STAGE(sys, 's')
STAGE(rootfs, 'r')
STAGE(lib, 'b')
STAGE(plat, 'p')
STAGE(early, 'e')
STAGE(ctor, 'c')
STAGE(prio, 'P')
/* registered in the reverse of the order in which they must run */
uk_testsuite_register(suite_late, init_late);
uk_testsuite_prio(suite_prio, init_prio, 5);
uk_testsuite_late_prio(suite_late0, init_late0, UK_PRIO_EARLIEST);
uk_testsuite_sys_prio(suite_sys, init_sys, 3);
uk_testsuite_rootfs_prio(suite_rootfs, init_rootfs, 3);
uk_testsuite_lib_prio(suite_lib, init_lib, 9);
uk_testsuite_plat_prio(suite_plat, init_plat, 0);
uk_testsuite_early_prio(suite_early, init_early, 2);
UK_TESTSUITE_AT_CTORCALL_PRIO(suite_ctor, init_ctor, 1);

UK_TESTCASE_DESC(uk_test_positive, all_true, "every expectation, true")
{
	int x = 5, *p = &x;
	char a[] = "same", b[] = "same";

	UK_TEST_ASSERTF(x == 5, "x is %d", x);
	UK_TEST_EXPECT(x > 0);
	UK_TEST_ASSERT(x != 0);
	UK_TEST_EXPECT_NULL(NULL);
	UK_TEST_EXPECT_NOT_NULL(p);
	UK_TEST_EXPECT_ZERO(x - 5);
	UK_TEST_EXPECT_NOT_ZERO(x);
	UK_TEST_EXPECT_PTR_EQ(p, &x);
	UK_TEST_EXPECT_BYTES_EQ(a, b, 5);
	UK_TEST_EXPECT_SNUM_EQ(x, 5);
	UK_TEST_EXPECT_SNUM_NQ(x, 6);
	UK_TEST_EXPECT_SNUM_GT(x, 4);
	UK_TEST_EXPECT_SNUM_GE(x, 5);
	UK_TEST_EXPECT_SNUM_LT(x, 6);
	UK_TEST_EXPECT_SNUM_LE(x, 5);
}
uk_testsuite_register(uk_test_positive, NULL);

UK_TESTCASE(uk_test_negative, all_false)
{
	int x = 5, *p = &x;

	UK_TEST_ASSERTF(x != 5,
			"x is %d and this text is longer than one line of eighty columns, so that it has to be cut off",
			x);
	UK_TEST_EXPECT(x < 0);
	UK_TEST_ASSERT(x == 0);
	UK_TEST_EXPECT_NULL(p);
	UK_TEST_EXPECT_NOT_NULL(NULL);
	UK_TEST_EXPECT_ZERO(x);
	UK_TEST_EXPECT_NOT_ZERO(x - 5);
	UK_TEST_EXPECT_PTR_EQ(p, NULL);
	UK_TEST_EXPECT_BYTES_EQ("one", "two", 3);
	UK_TEST_EXPECT_SNUM_EQ(x, 6);
	UK_TEST_EXPECT_SNUM_NQ(x, 5);
	UK_TEST_EXPECT_SNUM_GT(x, 5);
	UK_TEST_EXPECT_SNUM_GE(x, 6);
	UK_TEST_EXPECT_SNUM_LT(x, 5);
	UK_TEST_EXPECT_SNUM_LE(x, 4);
}

UK_TESTCASE(uk_test_negative, fails_once)
{
	for (int i = 0; i < 3; i++)
		UK_TEST_EXPECT_SNUM_NQ(i, 1);
	UK_TEST_EXPECT(1);
}

UK_TESTCASE(uk_test_negative, passes)
{
	UK_TEST_EXPECT(1);
}

struct uk_testsuite testsuite_uk_test_negative = { .name = "uk_test_negative" };

static int cannot(struct uk_testsuite *suite __attribute__((unused)))
{
	return -5;
}

UK_TESTCASE(uk_test_never, never)
{
	abort();
}

struct uk_testsuite testsuite_uk_test_never = { .name = "uk_test_never", .init = cannot };

int main(void)
{
	struct uk_testcase *esac;
	struct uk_assert *a;
	unsigned n, cases = 0;

	CHECK_EQ(strcmp(order, "cepbrsLPl"), 0);
	CHECK_EQ(uk_test_failures(), 0);
	CHECK_EQ(uk_test_totals.suites, 10);
	CHECK_EQ(uk_test_totals.cases, 10);
	CHECK_EQ(uk_test_totals.asserts, 9 + 15);
	CHECK_EQ(uk_testsuite_run(&testsuite_uk_test_negative), 0);
	CHECK_EQ(uk_test_failures(), 1);
	CHECK_EQ(testsuite_uk_test_negative.failed_cases, 2);
	uk_testsuite_case_foreach(&testsuite_uk_test_negative, esac)
	{
		unsigned failed = 0;

		n = 0;
		uk_test_assert_foreach(esac, a)
		{
			CHECK(a->line > 0 && a->status != UK_TEST_ASSERT_NOT_RUN);
			failed += a->status == UK_TEST_ASSERT_FAIL;
			n++;
		}
		switch (cases++) {
		case 0:
			CHECK(!strcmp(esac->name, "all_false") && n == 15 && failed == 15);
			break;
		case 1:
			CHECK(!strcmp(esac->name, "fails_once") && n == 2 && failed == 1);
			break;
		default:
			CHECK(!strcmp(esac->name, "passes") && n == 1 && failed == 0);
		}
	}
	CHECK_EQ(cases, 3);
	CHECK_EQ(uk_test_totals.failed_asserts, 16);
	CHECK_EQ(uk_testsuite_run(&testsuite_uk_test_never), -5);
	CHECK_EQ(uk_test_failures(), 2);
	return 0;
}
