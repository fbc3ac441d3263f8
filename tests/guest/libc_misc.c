// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1
/* Odds and ends of the C library that lean on the machine: floating point, sorting, strings, time zones, locale. */
#include "check.h"

#include <locale.h>
#include <math.h>

static int compare(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

int main(void)
{
	static int numbers[5000];
	volatile double two = 2.0, minus = -1.0;
	uint64_t rng = 5;
	struct tm tm;
	time_t t = 1000000000;
	char text[64];
	int i;

	CHECK(fabs(sqrt(two) * sqrt(two) - 2.0) < 1e-15);
	CHECK(fabs(sin(two) * sin(two) + cos(two) * cos(two) - 1.0) < 1e-15);
	CHECK(fabs(exp(log(two)) - 2.0) < 1e-15);
	CHECK(isnan(sqrt(minus)));
	CHECK(pow(two, 10) == 1024.0);
	CHECK(floor(2.7 * minus) == -3.0);
	for (i = 0; i < 5000; i++)
		numbers[i] = (int)check_random(&rng);
	qsort(numbers, 5000, sizeof(int), compare);
	for (i = 1; i < 5000; i++)
		CHECK(numbers[i - 1] <= numbers[i]);
	CHECK(gmtime_r(&t, &tm));
	CHECK(strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm));
	CHECK(strcmp(text, "2001-09-09 01:46:40") == 0);
	CHECK(setlocale(LC_ALL, "C"));
	CHECK(localtime_r(&t, &tm));
	return 0;
}
