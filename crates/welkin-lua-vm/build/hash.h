/*
** The hash of strings, in the place of Lua's own.
**
** Lua's goes from byte to byte, each step waiting for the one before: four
** cycles a byte. A short string is hashed each time it is made, so that was
** most of what it took to give one of 30 bytes to Lua. Here sixteen bytes are
** one multiplication to 128 bits, whose halves are folded together. Both of its
** factors depend on the seed, which a stranger does not know: so he cannot
** choose strings that meet in one place of a table.
*/

#ifndef welkin_hash_h
#define welkin_hash_h

#include <stddef.h>
#include <stdint.h>
#include <string.h>

__extension__ typedef unsigned __int128 welkin_uint128;


static inline uint64_t welkin_load8 (const char *p) {
  uint64_t bytes;
  memcpy(&bytes, p, 8);
  return bytes;
}


static inline uint64_t welkin_load4 (const char *p) {
  uint32_t bytes;
  memcpy(&bytes, p, 4);
  return bytes;
}


static inline uint64_t welkin_fold (uint64_t a, uint64_t b) {
  welkin_uint128 product = (welkin_uint128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}


/* whether two short strings of this length are the same */
static inline int welkin_same (const char *a, const char *b, size_t l) {
  if (l >= 8) {
    const char *end = a + l - 8, *end_b = b + l - 8;
    for (; a < end; a += 8, b += 8) {
      if (welkin_load8(a) != welkin_load8(b))
        return 0;
    }
    return welkin_load8(end) == welkin_load8(end_b);
  }
  if (l >= 4)
    return welkin_load4(a) == welkin_load4(b) &&
           welkin_load4(a + l - 4) == welkin_load4(b + l - 4);
  for (; l > 0; l--) {
    if (a[l - 1] != b[l - 1])
      return 0;
  }
  return 1;
}


/* pieces that overlap stand for lengths that are no power of two */
static inline unsigned luaS_hash (const char *str, size_t l, unsigned seed) {
  uint64_t secret = (seed + UINT64_C(0x9e3779b97f4a7c15))
                    * UINT64_C(0xa0761d6478bd642f);
  uint64_t state = (seed + UINT64_C(0x8ebc6af09c88c6e3))
                   * UINT64_C(0x589965cc75374cc3)
                   ^ l * UINT64_C(0xe7037ed1a0b428db);
  uint64_t first = 0, last = 0;
  const char *end = str + l;
  if (l >= 8) {
    for (; end - str > 16; str += 16)
      state = welkin_fold(welkin_load8(str) ^ secret,
                          welkin_load8(str + 8) ^ state);
    /* of a long string, what the loop has left and some before it */
    first = welkin_load8(l > 16 ? end - 16 : str);
    last = welkin_load8(end - 8);
  }
  else if (l >= 4) {
    first = welkin_load4(str);
    last = welkin_load4(end - 4);
  }
  else if (l > 0)
    first = (uint64_t)(unsigned char)str[0] << 16
          | (uint64_t)(unsigned char)str[l / 2] << 8
          | (unsigned char)end[-1];
  state = welkin_fold(first ^ secret, last ^ state);
  return (unsigned)(state ^ state >> 32);
}

#endif
