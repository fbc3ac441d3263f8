// SPDX-License-Identifier: BSD-3-Clause
/*
 * The first and only process of a Linux guest that `tutti bench --vs linux` boots: a static Linux program, /init of the
 * initramfs. It runs the commands of /commands one after the other and ends the machine.
 *
 * /commands: each command is a list of strings ended by zero bytes; an empty string ends it. The first string is the path, which a
 * line `@system PATH` announces on the serial port. A command that does not end with 0 is the end, and its status the machine's.
 *
 * The tool hears what it hears of a tutti machine (tools/tuttilib/guest.py): `R` and `E status` on port 0xe9, and the status
 * on the debug-exit port. Standard output and standard error are the first serial port, bytes as they are.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define CONTROL	      0xe9
#define EXIT	      0x501
#define CONSOLE_LEVEL 8 /* of syslog(2) */
#define MAX_BYTES     65536
#define MAX_WORDS     64
#define NO_STATUS     125

static void control(const char *line)
{
	while (*line)
		outb((unsigned char)*line++, CONTROL);
	outb('\n', CONTROL);
}

static _Noreturn void end(int status)
{
	char line[16];

	tcdrain(STDOUT_FILENO);
	snprintf(line, sizeof(line), "E %d", status);
	control(line);
	outw((unsigned short)(status & 0x7f), EXIT);
	for (;;)
		pause();
}

static _Noreturn void fail(const char *what)
{
	printf("init: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	end(NO_STATUS);
}

static void open_serial_port(void)
{
	struct termios raw;
	int fd = open("/dev/ttyS0", O_RDWR | O_NOCTTY);

	if (fd < 0)
		end(NO_STATUS);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (tcgetattr(STDOUT_FILENO, &raw) == 0) {
		cfmakeraw(&raw);
		tcsetattr(STDOUT_FILENO, TCSANOW, &raw);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static int run(char **words)
{
	int status;
	pid_t child;

	printf("@system %s\n", words[0]);
	child = fork();
	if (child < 0)
		fail("fork");
	if (!child) {
		execv(words[0], words);
		printf("init: %s: %s\n", words[0], strerror(errno));
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child)
		fail("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static size_t read_commands(char *text, size_t size)
{
	size_t have = 0;
	ssize_t n;
	int fd = open("/commands", O_RDONLY);

	if (fd < 0)
		fail("/commands");
	while ((n = read(fd, text + have, size - have)) > 0)
		have += (size_t)n;
	close(fd);
	return have;
}

int main(void)
{
	static char text[MAX_BYTES];
	char *words[MAX_WORDS + 1];
	size_t have, count = 0;

	if (ioperm(CONTROL, 1, 1) || ioperm(EXIT, 2, 1))
		return 1; /* the kernel panics and says so */
	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY)
		end(NO_STATUS);
	open_serial_port();
	klogctl(CONSOLE_LEVEL, NULL, 1); /* from here on only a panic speaks in between */
	control("R"); /* now that the port echoes nothing: the tool sends the end of the input, a zero byte */
	if (mount("proc", "/proc", "proc", 0, NULL) || mount("sysfs", "/sys", "sysfs", 0, NULL))
		fail("mount");
	have = read_commands(text, sizeof(text) - 1);
	for (char *at = text; at < text + have; at += strlen(at) + 1) {
		int status;

		if (*at) {
			if (count == MAX_WORDS) {
				errno = E2BIG;
				fail("/commands");
			}
			words[count++] = at;
			continue;
		}
		words[count] = NULL;
		count = 0;
		status = words[0] ? run(words) : 0;
		if (status)
			end(status);
	}
	end(0);
}
