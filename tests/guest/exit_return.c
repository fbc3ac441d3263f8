// SPDX-License-Identifier: BSD-3-Clause
// test: cpus=1,2,4 machine=microvm,q35 exit=42
/* main's return value is the machine's exit status. */
int main(void)
{
	return 42;
}
