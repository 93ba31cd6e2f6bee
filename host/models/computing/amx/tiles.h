// Products of float32 matrices on the tile units (AMX) of x86 CPUs, which multiply bfloat16 and add in float32.
//
// Each number is split into the sum of two bfloat16 numbers, the larger and the smaller part, which keep 16 of its 24
// bits. Of the four products of two such sums the one of both smaller parts is left out (Henry, Tang & Heinecke 2019,
// arXiv:1904.06376). A tile of the right matrix has pairs of rows interleaved, as the instruction TDPBF16PS wants it.

#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace amx {

inline constexpr long SIDE = 16;          // rows of a tile, and columns of a result's tile
inline constexpr long DEPTH = 32;         // bfloat16 numbers in a tile's row
inline constexpr long TILE = SIDE * DEPTH;
inline constexpr long BOTH = 2 * TILE;    // the larger parts' tile, then that of the smaller parts
inline constexpr long BLOCK = 2 * SIDE;   // rows and columns of the result that stay in the tiles' registers

using Bits = std::uint16_t;  // of a bfloat16

struct Free {
  void operator()(Bits* memory) const { std::free(memory); }
};

inline std::unique_ptr<Bits, Free> allocate(long count) {
  return std::unique_ptr<Bits, Free>(static_cast<Bits*>(std::aligned_alloc(64, count * sizeof(Bits))));
}

inline long rounded_up(long number, long multiple) { return (number + multiple - 1) / multiple * multiple; }

inline __m512 widened(__m256i bits) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16)); }

// 32 bfloat16 numbers each.
struct Parts {
  __m512i larger, smaller;
};

inline Parts split(__m512 first, __m512 second) {
  const __m512i larger = (__m512i)_mm512_cvtne2ps_pbh(second, first);
  const __m512 first_rest = _mm512_sub_ps(first, widened(_mm512_castsi512_si256(larger)));
  const __m512 second_rest = _mm512_sub_ps(second, widened(_mm512_extracti64x4_epi64(larger, 1)));
  return {larger, (__m512i)_mm512_cvtne2ps_pbh(second_rest, first_rest)};
}

// Into a row of two tiles that lie one after the other.
inline void store(Parts parts, Bits* row) {
  _mm512_store_si512(row, parts.larger);
  _mm512_store_si512(row + TILE, parts.smaller);
}

// The first numbers of 16, and zeros for the others.
inline __mmask16 first_of_16(long count) { return count >= 16 ? 0xffff : count > 0 ? (1 << count) - 1 : 0; }

inline __m512 load_first(const float* numbers, long count) { return _mm512_maskz_loadu_ps(first_of_16(count), numbers); }

// 16 rows of a left matrix as tiles [step][both parts], each number times a factor; rows after ``count`` are zeros.
inline void split_rows(const float* numbers, long stride, long count, long depth, float factor, Bits* tiles) {
  const __m512 factors = _mm512_set1_ps(factor);
  for (long at = 0; at < depth; at += DEPTH, tiles += BOTH)
    for (long row = 0; row < SIDE; row++) {
      const long left = row < count ? depth - at : 0;
      const float* some = numbers + row * stride + at;
      const __m512 first = load_first(some, left), second = load_first(some + 16, left - 16);
      store(split(_mm512_mul_ps(first, factors), _mm512_mul_ps(second, factors)), tiles + row * DEPTH);
    }
}

struct alignas(64) Layout {  // what LDTILECFG reads: eight tiles of 16 rows of 64 bytes
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE};
};

class Tiles {
 public:
  Tiles() {
    static constexpr Layout layout;  // in memory: the compiler doesn't know that all of it is read
    _tile_loadconfig(&layout);
  }
  ~Tiles() { _tile_release(); }
};

struct Start {
  bool from_sums;     // go on from the sums that are there,
  const float* bias;  // else from this for each column; null for zeros
};

// Sixteen columns of a right matrix, given as the rows of two tiles, as the tiles that TDPBF16PS wants: pairs of numbers
// change places as those of a matrix that is transposed.
inline void interleave(const Bits* rows, Bits* tiles) {
  const __m512i each_row = _mm512_mullo_epi32(
      _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi32(DEPTH / 2));
  for (long part = 0; part < BOTH; part += TILE)
    for (long pair = 0; pair < DEPTH; pair += 2)
      _mm512_store_si512(tiles + part + pair * SIDE, _mm512_i32gather_epi32(each_row, rows + part + pair, 4));
}

// A right matrix, given by its rows, as tiles [column / 16][row / 32][both parts]. Two rows' numbers are to take turns.
inline void pack_rows(const float* numbers, long stride, long count, long width, Bits* packed) {
  const __m512i turns = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  for (long column = 0; column < width; column += SIDE)
    for (long row = 0; row < rounded_up(count, DEPTH); row += 2) {
      const float* some = numbers + row * stride + column;
      const __m512 first = load_first(some, row < count ? width - column : 0);
      const __m512 second = load_first(some + stride, row + 1 < count ? width - column : 0);
      const Parts parts = split(first, second);
      store({_mm512_permutexvar_epi16(turns, parts.larger), _mm512_permutexvar_epi16(turns, parts.smaller)},
            packed + row % DEPTH * SIDE);
      if (row % DEPTH == DEPTH - 2) packed += BOTH;
    }
}

// 32 rows and 32 columns of the result, or 16 columns where it isn't ``wide``: the products of ``steps`` tiles of depth
// of two rows and of two columns of tiles.
template <bool wide = true>
inline void multiply_block(const Bits* upper, const Bits* lower, const Bits* left, const Bits* right, long steps,
                           Start start, float* sums, long stride) {
  float* below = sums + SIDE * stride;
  stride *= sizeof(float);
  asm volatile("" ::: "memory");  // the compiler doesn't know that tiles are loaded from memory
  if (start.from_sums) {
    _tile_loadd(0, sums, stride);
    _tile_loadd(2, below, stride);
    if (wide) { _tile_loadd(1, sums + SIDE, stride); }
    if (wide) { _tile_loadd(3, below + SIDE, stride); }
  } else if (start.bias) {  // a stride of nothing repeats the row
    _tile_loadd(0, start.bias, 0);
    _tile_loadd(2, start.bias, 0);
    if (wide) { _tile_loadd(1, start.bias + SIDE, 0); }
    if (wide) { _tile_loadd(3, start.bias + SIDE, 0); }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (long step = 0; step < steps; step++) {
    _tile_loadd(4, upper + TILE, 64);
    _tile_loadd(5, lower + TILE, 64);
    _tile_loadd(6, left, 64);
    if (wide) { _tile_loadd(7, right, 64); }
    _tile_dpbf16ps(0, 4, 6);
    if (wide) { _tile_dpbf16ps(1, 4, 7); }
    _tile_dpbf16ps(2, 5, 6);
    if (wide) { _tile_dpbf16ps(3, 5, 7); }
    _tile_loadd(4, upper, 64);
    _tile_loadd(5, lower, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (wide) { _tile_dpbf16ps(1, 4, 7); }
    _tile_dpbf16ps(2, 5, 6);
    if (wide) { _tile_dpbf16ps(3, 5, 7); }
    _tile_loadd(6, left + TILE, 64);
    if (wide) { _tile_loadd(7, right + TILE, 64); }
    _tile_dpbf16ps(0, 4, 6);
    if (wide) { _tile_dpbf16ps(1, 4, 7); }
    _tile_dpbf16ps(2, 5, 6);
    if (wide) { _tile_dpbf16ps(3, 5, 7); }
    upper += BOTH, lower += BOTH, left += BOTH, right += BOTH;
  }
  _tile_stored(0, sums, stride);
  _tile_stored(2, below, stride);
  if (wide) { _tile_stored(1, sums + SIDE, stride); }
  if (wide) { _tile_stored(3, below + SIDE, stride); }
}

}  // namespace amx
