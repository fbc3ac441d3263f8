// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2
/* The file tree: what is not there is ENOENT, nothing can be created in it, the root is a directory. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

int main(void)
{
	struct stat st;
	char text[64];
	int fd;

	CHECK_ERRNO(open("/no/such/file", O_RDONLY), ENOENT);
	CHECK(!fopen("/nothing", "r") && errno == ENOENT);
	CHECK_ERRNO(access("/nothing", F_OK), ENOENT);
	CHECK_ERRNO(stat("/nothing", &st), ENOENT);
	CHECK_ERRNO(open("", O_RDONLY), ENOENT);
	CHECK_EQ(stat("/", &st), 0);
	CHECK(S_ISDIR(st.st_mode));
	CHECK(getcwd(text, sizeof(text)) && strcmp(text, "/") == 0);
	fd = open("/tutti_created", O_RDWR | O_CREAT, 0644);
	CHECK(fd < 0 && (errno == EROFS || errno == EACCES || errno == ENOENT));
	fd = open("/", O_RDWR);
	CHECK(fd < 0 && (errno == EISDIR || errno == EROFS));
	return 0;
}
