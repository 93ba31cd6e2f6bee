// Linear layers and convolutions in two dimensions.

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "tiles.h"

using namespace amx;

extern "C" {

// A convolution of [batch, height, width, channels]; a linear layer is one of a single line with a filter of one place.
struct Convolution {
  long batch, height, width, channels;
  long out_height, out_width, outputs;
  long filter_height, filter_width, stride_down, stride_across, top, left;
};

}  // extern "C"

namespace {

constexpr long MOST_ROWS = 256;  // of the left matrix that are split at a time: with as many
constexpr long MOST_STEPS = 24;  // tiles of depth they take 768 KiB of the second-level cache
constexpr long TILE_DATA = 18;   // the part of a thread's state that arch_prctl must permit,
constexpr long PERMIT = 0x1023;  // by ARCH_REQ_XCOMP_PERM

struct Range {
  long begin, end;
};

// Where the input's numbers are that a row of the result needs for a place of the filter; null beyond the border.
const float* source(const Convolution& of, const float* x, long row, long place) {
  const long line = row / of.out_width, image = line / of.out_height;
  const long y = line % of.out_height * of.stride_down + place / of.filter_width - of.top;
  const long z = row % of.out_width * of.stride_across + place % of.filter_width - of.left;
  const bool inside = 0 <= y && y < of.height && 0 <= z && z < of.width;
  return inside ? x + ((image * of.height + y) * of.width + z) * of.channels : nullptr;
}

// Rows of the left matrix as tiles [row / 16][step][both parts]; rows after the last one are zeros.
void split_places(const Convolution& of, const float* x, Range rows, Range steps, Bits* tiles) {
  const long of_a_place = of.channels / DEPTH, count = steps.end - steps.begin;
  const __m512i zeros = _mm512_setzero_si512();
  for (long row = rows.begin; (row - rows.begin) % BLOCK || row < rows.end; row++) {
    Bits* into = tiles + (row - rows.begin) / SIDE * count * BOTH + (row - rows.begin) % SIDE * DEPTH;
    for (long step = steps.begin; step < steps.end;) {
      const long place = step / of_a_place, last = std::min(steps.end, (place + 1) * of_a_place);
      const float* numbers = row < rows.end ? source(of, x, row, place) : nullptr;
      for (; step < last; step++, into += BOTH) {
        const float* some = numbers + (step - place * of_a_place) * DEPTH;
        store(numbers ? split(_mm512_loadu_ps(some), _mm512_loadu_ps(some + 16)) : Parts{zeros, zeros}, into);
      }
    }
  }
}

// A block of which not all rows are the result's.
void multiply_last_block(const Bits* upper, const Bits* lower, const Bits* left, const Bits* right, long steps,
                         Start start, float* sums, long stride, long rows) {
  alignas(64) float block[BLOCK * BLOCK];
  for (long row = 0; row < rows; row++) std::memcpy(block + row * BLOCK, sums + row * stride, BLOCK * sizeof(float));
  multiply_block(upper, lower, left, right, steps, start, block, BLOCK);
  for (long row = 0; row < rows; row++) std::memcpy(sums + row * stride, block + row * BLOCK, BLOCK * sizeof(float));
}

void convolve_part(const Convolution& of, const float* x, const Bits* filter, const float* bias, float* out, Range rows,
                   Range columns) {
  const long steps = of.filter_height * of.filter_width * of.channels / DEPTH;
  const auto tiles = allocate(MOST_ROWS / SIDE * MOST_STEPS * BOTH);
  const Tiles in_use;
  for (long top = rows.begin; top < rows.end; top += MOST_ROWS) {
    const long bottom = std::min(top + MOST_ROWS, rows.end);
    for (long step = 0; step < steps; step += MOST_STEPS) {
      const long count = std::min(MOST_STEPS, steps - step);
      split_places(of, x, {top, bottom}, {step, step + count}, tiles.get());
      for (long column = columns.begin; column < columns.end; column += BLOCK) {
        const Bits* left = filter + (column / SIDE * steps + step) * BOTH;
        const Bits* right = left + steps * BOTH;
        const Start start{step > 0, bias ? bias + column : nullptr};
        for (long row = top; row < bottom; row += BLOCK) {
          const Bits* upper = tiles.get() + (row - top) / SIDE * count * BOTH;
          const Bits* lower = upper + count * BOTH;
          float* sums = out + row * of.outputs + column;
          if (row + BLOCK <= bottom)
            multiply_block(upper, lower, left, right, count, start, sums, of.outputs);
          else
            multiply_last_block(upper, lower, left, right, count, start, sums, of.outputs, bottom - row);
        }
      }
    }
  }
}

// What one of several workers does of so many blocks.
Range share(long blocks, long size, int number, int workers) {
  return {std::min(blocks * number / workers * BLOCK, size), std::min(blocks * (number + 1) / workers * BLOCK, size)};
}

}  // namespace

extern "C" {

// Asks the system for the tiles' registers, once for all threads; whether it gives them.
int permit_tiles() { return syscall(SYS_arch_prctl, PERMIT, TILE_DATA) == 0; }

// A filter [outputs, depth] as tiles [outputs / 16][depth / 32][both parts]; depth is place by place, then channels.
void pack(const float* filter, long outputs, long depth, Bits* packed, int threads) {
  const long steps = depth / DEPTH;
#pragma omp parallel for num_threads(threads)
  for (long panel = 0; panel < outputs / SIDE; panel++) {
    alignas(64) Bits rows[BOTH];
    for (long step = 0; step < steps; step++) {
      for (long row = 0; row < SIDE; row++) {
        const float* numbers = filter + (panel * SIDE + row) * depth + step * DEPTH;
        store(split(_mm512_loadu_ps(numbers), _mm512_loadu_ps(numbers + 16)), rows + row * DEPTH);
      }
      interleave(rows, packed + (panel * steps + step) * BOTH);
    }
  }
}

// Into out [batch, out_height, out_width, outputs]; channels and outputs are multiples of 32, bias may be null.
void convolve(const Convolution* of, const float* x, const Bits* filter, const float* bias, float* out, int threads) {
  const long rows = of->batch * of->out_height * of->out_width;
  const long down = (rows + BLOCK - 1) / BLOCK, across = of->outputs / BLOCK;
  const bool by_rows = down >= MOST_ROWS / BLOCK * threads || down >= across;
#pragma omp parallel for num_threads(threads)
  for (int number = 0; number < threads; number++)
    convolve_part(*of, x, filter, bias, out, by_rows ? share(down, rows, number, threads) : Range{0, rows},
                  by_rows ? Range{0, of->outputs} : share(across, of->outputs, number, threads));
}

}  // extern "C"
