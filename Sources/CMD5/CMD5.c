#include "CMD5.h"

#include <string.h>

// RFC 1321, 3.4: the functions, the order of the words, the rotations and the constants of the 64 steps.
// The first argument is what the step before has made: it comes in as late as can be, and G is a sum for that.
#define F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define G(x, y, z) ((~(z) & (y)) + ((z) & (x)))
#define H(x, y, z) ((x) ^ ((y) ^ (z)))
#define I(x, y, z) ((y) ^ ((x) | ~(z)))
#define ROTATE(x, n) (((x) << (n)) | ((x) >> (32 - (n))))
#define STEP(f, a, b, c, d, word, n, constant)                                                                          \
    a = (a + (word) + (constant)) + f(b, c, d);                                                                           \
    a = ROTATE(a, n) + b;

#define FOUR(f, w0, w1, w2, w3, n0, n1, n2, n3, k0, k1, k2, k3)                                                         \
    STEP(f, a, b, c, d, w[w0], n0, k0)                                                                                  \
    STEP(f, d, a, b, c, w[w1], n1, k1)                                                                                  \
    STEP(f, c, d, a, b, w[w2], n2, k2)                                                                                  \
    STEP(f, b, c, d, a, w[w3], n3, k3)

#define ALL_STEPS                                                                                                       \
    FOUR(F, 0, 1, 2, 3, 7, 12, 17, 22, 0xd76aa478u, 0xe8c7b756u, 0x242070dbu, 0xc1bdceeeu)                             \
    FOUR(F, 4, 5, 6, 7, 7, 12, 17, 22, 0xf57c0fafu, 0x4787c62au, 0xa8304613u, 0xfd469501u)                             \
    FOUR(F, 8, 9, 10, 11, 7, 12, 17, 22, 0x698098d8u, 0x8b44f7afu, 0xffff5bb1u, 0x895cd7beu)                           \
    FOUR(F, 12, 13, 14, 15, 7, 12, 17, 22, 0x6b901122u, 0xfd987193u, 0xa679438eu, 0x49b40821u)                         \
    FOUR(G, 1, 6, 11, 0, 5, 9, 14, 20, 0xf61e2562u, 0xc040b340u, 0x265e5a51u, 0xe9b6c7aau)                             \
    FOUR(G, 5, 10, 15, 4, 5, 9, 14, 20, 0xd62f105du, 0x02441453u, 0xd8a1e681u, 0xe7d3fbc8u)                            \
    FOUR(G, 9, 14, 3, 8, 5, 9, 14, 20, 0x21e1cde6u, 0xc33707d6u, 0xf4d50d87u, 0x455a14edu)                             \
    FOUR(G, 13, 2, 7, 12, 5, 9, 14, 20, 0xa9e3e905u, 0xfcefa3f8u, 0x676f02d9u, 0x8d2a4c8au)                            \
    FOUR(H, 5, 8, 11, 14, 4, 11, 16, 23, 0xfffa3942u, 0x8771f681u, 0x6d9d6122u, 0xfde5380cu)                           \
    FOUR(H, 1, 4, 7, 10, 4, 11, 16, 23, 0xa4beea44u, 0x4bdecfa9u, 0xf6bb4b60u, 0xbebfbc70u)                            \
    FOUR(H, 13, 0, 3, 6, 4, 11, 16, 23, 0x289b7ec6u, 0xeaa127fau, 0xd4ef3085u, 0x04881d05u)                            \
    FOUR(H, 9, 12, 15, 2, 4, 11, 16, 23, 0xd9d4d039u, 0xe6db99e5u, 0x1fa27cf8u, 0xc4ac5665u)                           \
    FOUR(I, 0, 7, 14, 5, 6, 10, 15, 21, 0xf4292244u, 0x432aff97u, 0xab9423a7u, 0xfc93a039u)                            \
    FOUR(I, 12, 3, 10, 1, 6, 10, 15, 21, 0x655b59c3u, 0x8f0ccc92u, 0xffeff47du, 0x85845dd1u)                           \
    FOUR(I, 8, 15, 6, 13, 6, 10, 15, 21, 0x6fa87e4fu, 0xfe2ce6e0u, 0xa3014314u, 0x4e0811a1u)                           \
    FOUR(I, 4, 11, 2, 9, 6, 10, 15, 21, 0xf7537e82u, 0xbd3af235u, 0x2ad7d2bbu, 0xeb86d391u)

static inline __attribute__((always_inline)) uint32_t little_endian(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

void cmd5_begin(uint32_t state[4]) {
    state[0] = 0x67452301u;
    state[1] = 0xefcdab89u;
    state[2] = 0x98badcfeu;
    state[3] = 0x10325476u;
}

void cmd5_blocks(uint32_t state[4], const uint8_t *bytes, size_t blocks) {
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (; blocks > 0; blocks--, bytes += 64) {
        uint32_t w[16];
        for (int i = 0; i < 16; i++) w[i] = little_endian(bytes + 4 * i);
        uint32_t a0 = a, b0 = b, c0 = c, d0 = d;
        ALL_STEPS
        a += a0;
        b += b0;
        c += c0;
        d += d0;
    }
    state[0] = a;
    state[1] = b;
    state[2] = c;
    state[3] = d;
}

typedef uint32_t lanes __attribute__((vector_size(4 * CMD5_LANES)));

#define ALL_LANES(expression)                                                                                           \
    (lanes) {                                                                                                           \
        expression(0), expression(1), expression(2), expression(3), expression(4), expression(5), expression(6),        \
            expression(7)                                                                                               \
    }

static inline __attribute__((always_inline)) void
hash_lanes(uint32_t *const states[CMD5_LANES], const uint8_t *const bytes[CMD5_LANES], size_t blocks) {
#define STATE_A(n) states[n][0]
#define STATE_B(n) states[n][1]
#define STATE_C(n) states[n][2]
#define STATE_D(n) states[n][3]
#define WORD(n) little_endian(bytes[n] + offset + 4 * i)
    lanes a = ALL_LANES(STATE_A), b = ALL_LANES(STATE_B), c = ALL_LANES(STATE_C), d = ALL_LANES(STATE_D);
    for (size_t offset = 0; offset < 64 * blocks; offset += 64) {
        lanes w[16];
        for (int i = 0; i < 16; i++) w[i] = ALL_LANES(WORD);
        lanes a0 = a, b0 = b, c0 = c, d0 = d;
        ALL_STEPS
        a += a0;
        b += b0;
        c += c0;
        d += d0;
    }
    for (int n = 0; n < CMD5_LANES; n++) {
        states[n][0] = a[n];
        states[n][1] = b[n];
        states[n][2] = c[n];
        states[n][3] = d[n];
    }
}

#if defined(__x86_64__)
// Half as many instructions, where the processor has them.
__attribute__((target("avx2"))) static void
hash_lanes_avx2(uint32_t *const states[CMD5_LANES], const uint8_t *const bytes[CMD5_LANES], size_t blocks) {
    hash_lanes(states, bytes, blocks);
}
#endif

void cmd5_lanes(uint32_t *const states[CMD5_LANES], const uint8_t *const bytes[CMD5_LANES], size_t blocks) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        hash_lanes_avx2(states, bytes, blocks);
        return;
    }
#endif
    hash_lanes(states, bytes, blocks);
}
