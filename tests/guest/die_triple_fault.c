// SPDX-License-Identifier: BSD-3-Clause
// test: plat=vm cpus=1,2 exit=125
/* A triple fault is not an exit: the tool says that the machine died, 125. (Only where the program may load the IDT.) */
int main(void)
{
	struct __attribute__((packed)) {
		unsigned short limit;
		unsigned long base;
	} none = { 0, 0 };

	__asm__ volatile("lidt %0; int3" : : "m"(none));
	return 0;
}
