// SPDX-License-Identifier: BSD-3-Clause
// host: srcs=posix/chacha20.c cflags=-Itests/host/fake_plat sanitize=address,undefined
/* ChaCha20 against the vectors of RFC 8439: section 2.3.2 and appendix A.1, numbers 1 to 5. */
#include "posix/random.h"

#include <string.h>

#include "expect.h"

static void check(const uint8_t key[32], uint32_t counter, const uint8_t nonce[12], const char *hex)
{
	uint32_t k[8], n[3];
	uint8_t out[64];

	memcpy(k, key, 32);
	memcpy(n, nonce, 12);
	chacha20_block(k, counter, n, out);
	for (unsigned i = 0; i < 64; i++) {
		unsigned byte;

		EXPECT_EQ(sscanf(hex + 2 * i, "%2x", &byte), 1);
		EXPECT_EQ(out[i], byte);
	}
}

int main(void)
{
	static const uint8_t zero[32];
	static const uint8_t nonce_232[12] = { 0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0 };
	uint8_t key[32], nonce[12] = { 0 };

	for (unsigned i = 0; i < 32; i++)
		key[i] = (uint8_t)i;
	check(key, 1, nonce_232,
	      "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4ed2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e");
	check(zero, 0, nonce,
	      "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
	check(zero, 1, nonce,
	      "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
	memset(key, 0, sizeof(key));
	key[31] = 1;
	check(key, 1, nonce,
	      "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0");
	key[31] = 0;
	key[1] = 0xff;
	check(key, 2, nonce,
	      "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096");
	nonce[11] = 2;
	check(zero, 0, nonce,
	      "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c78a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d");
	return 0;
}
