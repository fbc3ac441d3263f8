// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2 files=tests/guest/files
/*
 * The files packed with the image: their bytes, sizes, kinds and places, from several threads at once; seeking, short
 * reads, the end; directories are listed; a file cannot be written.
 */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static void *read_often(void *arg)
{
	char text[64];
	int i;

	for (i = 0; i < 30; i++) {
		FILE *file = fopen("/three_lines.txt", "r");

		CHECK(file);
		CHECK(fgets(text, sizeof(text), file) && strcmp(text, "one\n") == 0);
		CHECK(fgets(text, sizeof(text), file) && strcmp(text, "two\n") == 0);
		CHECK(fgets(text, sizeof(text), file) && strcmp(text, "three") == 0);
		CHECK(!fgets(text, sizeof(text), file) && feof(file));
		CHECK_EQ(fclose(file), 0);
	}
	return arg;
}

int main(void)
{
	pthread_t threads[4];
	struct dirent *entry;
	struct stat st;
	char text[64];
	int fd, other, i, seen = 0;
	DIR *folder;

	for (i = 0; i < 4; i++)
		threads[i] = check_spawn(read_often, NULL);
	for (i = 0; i < 4; i++)
		check_join(threads[i]);

	fd = open("/three_lines.txt", O_RDONLY);
	CHECK(fd > 2);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_size, 13);
	CHECK(S_ISREG(st.st_mode));
	CHECK_EQ(read(fd, text, 5), 5);
	CHECK(memcmp(text, "one\nt", 5) == 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
	CHECK_EQ(lseek(fd, -5, SEEK_END), 8);
	CHECK_EQ(read(fd, text, sizeof(text)), 5);
	CHECK(memcmp(text, "three", 5) == 0);
	CHECK_EQ(read(fd, text, sizeof(text)), 0);
	CHECK_EQ(pread(fd, text, 3, 4), 3);
	CHECK(memcmp(text, "two", 3) == 0);
	CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
	CHECK_EQ(read(fd, text, 1), 0);
	CHECK_ERRNO(write(fd, "x", 1), EBADF);
	other = open("/folder/../folder/./deeper//one_byte", O_RDONLY);
	CHECK(other > fd);
	CHECK_EQ(read(other, text, sizeof(text)), 1);
	CHECK_EQ(text[0], 'x');
	CHECK_EQ(close(fd), 0);
	CHECK_ERRNO(read(fd, text, 1), EBADF);
	CHECK_EQ(open("three_lines.txt", O_RDONLY), fd); /* relative to the root; the lowest number is used again */
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(close(other), 0);

	CHECK_EQ(stat("/folder/empty.txt", &st), 0);
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(stat("/folder/deeper", &st), 0);
	CHECK(S_ISDIR(st.st_mode));
	CHECK_ERRNO(stat("/three_lines.txt/below", &st), ENOTDIR);
	CHECK_ERRNO(open("/folder/none", O_RDONLY), ENOENT);
	CHECK(open("/three_lines.txt", O_RDWR) < 0 && (errno == EROFS || errno == EACCES));

	folder = opendir("/folder");
	CHECK(folder);
	while ((entry = readdir(folder))) {
		seen += strcmp(entry->d_name, "empty.txt") == 0 ? 1 : 0;
		seen += strcmp(entry->d_name, "deeper") == 0 ? 10 : 0;
		seen += strcmp(entry->d_name, "three_lines.txt") == 0 ? 100 : 0;
	}
	CHECK_EQ(seen, 11);
	CHECK_EQ(closedir(folder), 0);
	return 0;
}
