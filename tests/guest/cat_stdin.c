// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2
/* Copies standard input to standard output until its end: for the tests of the streams. */
#include "check.h"

int main(void)
{
	static char buffer[8192];
	ssize_t n;

	while ((n = read(0, buffer, sizeof(buffer))) > 0) {
		ssize_t done = 0, m;

		for (; done < n; done += m) {
			m = write(1, buffer + done, (size_t)(n - done));
			CHECK(m > 0);
		}
	}
	CHECK_EQ(n, 0);
	CHECK_EQ(read(0, buffer, 1), 0); /* the end stays the end */
	return 0;
}
