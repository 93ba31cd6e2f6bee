// The sum of a matrix and a product of low rank, as LoRA changes a weight.

#include "tiles.h"

using namespace amx;

namespace {

// 32 x 32 numbers: what is written won't be read again soon, so that it goes past the caches.
void add_block(const float* weight, const float* product, float* out, long stride) {
  for (long row = 0; row < BLOCK; row++)
    for (long column = 0; column < BLOCK; column += 16) {
      const __m512 change = _mm512_load_ps(product + row * BLOCK + column);
      const long place = row * stride + column;
      _mm512_stream_ps(out + place, _mm512_add_ps(_mm512_loadu_ps(weight + place), change));
    }
}

}  // namespace

extern "C" {

// Into out [rows, columns], which begins at a multiple of 64 bytes and may be the weight itself:
// ``weight + factor * up * down`` for up [rows, rank] and down [rank, columns]; rows and columns are multiples of 32.
void add_low_rank(const float* weight, const float* up, const float* down, long rows, long columns, long rank,
                  float factor, float* out, int threads) {
  const long steps = rounded_up(rank, DEPTH) / DEPTH;
  const auto right = allocate(columns / SIDE * steps * BOTH);
#pragma omp parallel num_threads(threads)
  {
#pragma omp for
    for (long column = 0; column < columns; column += BLOCK)
      pack_rows(down + column, columns, rank, BLOCK, right.get() + column / SIDE * steps * BOTH);
    const auto left = allocate(2 * steps * BOTH);
    Bits* lower = left.get() + steps * BOTH;
    alignas(64) float product[BLOCK * BLOCK];
    const Tiles in_use;
#pragma omp for
    for (long row = 0; row < rows; row += BLOCK) {
      split_rows(up + row * rank, rank, SIDE, rank, factor, left.get());
      split_rows(up + (row + SIDE) * rank, rank, SIDE, rank, factor, lower);
      for (long column = 0; column < columns; column += BLOCK) {
        const Bits* tiles = right.get() + column / SIDE * steps * BOTH;
        multiply_block(left.get(), lower, tiles, tiles + steps * BOTH, steps, {false, nullptr}, product, BLOCK);
        add_block(weight + row * columns + column, product, out + row * columns + column, columns);
      }
    }
    _mm_sfence();
  }
}

}  // extern "C"
