// Softmax attention in blocks of keys, with sums that are scaled again where a greater number turns up (Dao et al. 2022,
// arXiv:2205.14135).

#include <algorithm>
#include <cmath>
#include <limits>

#include "tiles.h"

using namespace amx;

extern "C" {

// Tensors of [batch, heads, tokens, depth], the numbers of a token one after the other; strides count numbers.
struct Strides {
  long batch, head, token;
};

struct Attention {
  long batch, heads, queries, keys, depth, values;
  Strides query, key, value;
  float scale;
};

}  // extern "C"

namespace {

constexpr long ROWS = 2 * BLOCK;  // queries that are worked on at a time,
constexpr long KEYS = 4 * BLOCK;  // and keys: what they give stays in the first-level cache
constexpr long QUERIES = 512;     // for one worker at a time
constexpr float NOTHING = -std::numeric_limits<float>::infinity();

// 2^x in each of 16 numbers, which are at most 0: a polynomial for the fraction, which lies within 0.5 of 0.
__m512 power_of_two(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-150.0f), x);  // in this order what is no number stays so
  const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 fraction = _mm512_sub_ps(x, whole);
  __m512 sum = _mm512_set1_ps(1.5403530e-4f);
  for (const float coefficient : {1.3333558e-3f, 9.6181291e-3f, 5.5504109e-2f, 2.4022651e-1f, 6.9314718e-1f, 1.0f})
    sum = _mm512_fmadd_ps(sum, fraction, _mm512_set1_ps(coefficient));
  return _mm512_scalef_ps(sum, whole);
}

// Keys as the right matrix of ``query * key'``: tiles [key / 16][step of depth][both parts].
void pack_keys(const float* keys, long stride, long count, long depth, Bits* packed) {
  alignas(64) Bits rows[BOTH];
  for (long key = 0; key < rounded_up(count, BLOCK); key += SIDE)
    for (long at = 0; at < depth; at += DEPTH, packed += BOTH) {
      split_rows(keys + key * stride + at, stride, count - key, std::min(DEPTH, depth - at), 1.0f, rows);
      interleave(rows, packed);
    }
}

// What a block of queries has seen so far of a row: its greatest product, and the sum of powers of two.
struct Seen {
  float greatest[ROWS], sum[ROWS];
};

// Turns a row of products into weights, as two parts, and returns by what earlier sums are to be multiplied.
float weigh(float* products, long count, long padded, float& greatest, float& sum, Bits* tiles) {
  for (long number = count; number < padded; number++) products[number] = NOTHING;
  __m512 most = _mm512_set1_ps(greatest);
  for (long number = 0; number < padded; number += 16) most = _mm512_max_ps(most, _mm512_loadu_ps(products + number));
  const float before = greatest;
  greatest = _mm512_reduce_max_ps(most);
  const __m512 offset = _mm512_set1_ps(greatest);
  __m512 total = _mm512_setzero_ps();
  for (long number = 0; number < padded; number += DEPTH, tiles += BOTH) {
    const __m512 first = power_of_two(_mm512_sub_ps(_mm512_loadu_ps(products + number), offset));
    const __m512 second = power_of_two(_mm512_sub_ps(_mm512_loadu_ps(products + number + 16), offset));
    total = _mm512_add_ps(total, _mm512_add_ps(first, second));
    store(split(first, second), tiles);
  }
  const float factor = before == greatest ? 1.0f : std::exp2(before - greatest);
  sum = sum * factor + _mm512_reduce_add_ps(total);
  return factor;
}

class Head {
 public:
  Head(const Attention& of)
      : of_(of),
        steps_(rounded_up(of.depth, DEPTH) / DEPTH),
        key_steps_(rounded_up(of.keys, DEPTH) / DEPTH),
        width_(rounded_up(of.values, SIDE)),
        keys_(allocate(rounded_up(of.keys, BLOCK) / SIDE * steps_ * BOTH)),
        values_(allocate(width_ / SIDE * key_steps_ * BOTH)),
        queries_(allocate(ROWS / SIDE * steps_ * BOTH)),
        weights_(allocate(ROWS / SIDE * KEYS / DEPTH * BOTH)),
        sums_(allocate(2 * ROWS * width_)) {}

  void pack(const float* keys, const float* values) {
    pack_keys(keys, of_.key.token, of_.keys, of_.depth, keys_.get());
    pack_rows(values, of_.value.token, of_.keys, of_.values, values_.get());
  }

  // At most 64 queries; ``stride`` is that of tokens in the result.
  void attend(const float* queries, long count, float* out, long stride) {
    const float factor = of_.scale * 1.44269504f;  // powers of two instead of e
    const long rows = rounded_up(count, BLOCK);
    for (long row = 0; row < rows; row += SIDE)
      split_rows(queries + row * of_.query.token, of_.query.token, count - row, of_.depth, factor,
                   queries_.get() + row / SIDE * steps_ * BOTH);
    std::fill(seen_.greatest, seen_.greatest + rows, NOTHING);
    std::fill(seen_.sum, seen_.sum + rows, 0.0f);
    for (long key = 0; key < of_.keys; key += KEYS) add(rows, key, std::min(KEYS, of_.keys - key));
    for (long row = 0; row < count; row++)
      for (long column = 0; column < of_.values; column += 16) {
        const __m512 sums = _mm512_loadu_ps(this->sums() + row * width_ + column);
        _mm512_mask_storeu_ps(out + row * stride + column, first_of_16(of_.values - column),
                              _mm512_div_ps(sums, _mm512_set1_ps(seen_.sum[row])));
      }
  }

 private:
  float* sums() { return reinterpret_cast<float*>(sums_.get()); }

  void add(long rows, long key, long count) {
    const long padded = rounded_up(count, BLOCK), steps = padded / DEPTH;
    for (long row = 0; row < rows; row += BLOCK) {
      const Bits* upper = queries_.get() + row / SIDE * steps_ * BOTH;
      for (long column = 0; column < padded; column += BLOCK) {
        const Bits* left = keys_.get() + (key + column) / SIDE * steps_ * BOTH;
        multiply_block(upper, upper + steps_ * BOTH, left, left + steps_ * BOTH, steps_, {false, nullptr},
                       products_ + row * KEYS + column, KEYS);
      }
    }
    for (long row = 0; row < rows; row++) {
      Bits* weights = weights_.get() + row / SIDE * steps * BOTH + row % SIDE * DEPTH;
      const float factor =
          weigh(products_ + row * KEYS, count, padded, seen_.greatest[row], seen_.sum[row], weights);
      if (key && factor != 1.0f) scale(sums() + row * width_, factor);
    }
    for (long row = 0; row < rows; row += BLOCK) add_values(row, key, steps);
  }

  void add_values(long row, long key, long steps) {
    const Start start{key > 0, nullptr};
    const Bits *upper = weights_.get() + row / SIDE * steps * BOTH, *lower = upper + steps * BOTH;
    for (long column = 0; column < width_; column += BLOCK) {
      const Bits* left = values_.get() + (column / SIDE * key_steps_ + key / DEPTH) * BOTH;
      float* sums = this->sums() + row * width_ + column;
      if (column + BLOCK <= width_)
        multiply_block(upper, lower, left, left + key_steps_ * BOTH, steps, start, sums, width_);
      else
        multiply_block<false>(upper, lower, left, nullptr, steps, start, sums, width_);
    }
  }

  void scale(float* sums, float factor) {
    for (long column = 0; column < width_; column += 16)
      _mm512_storeu_ps(sums + column, _mm512_mul_ps(_mm512_loadu_ps(sums + column), _mm512_set1_ps(factor)));
  }

  const Attention& of_;
  const long steps_, key_steps_, width_;
  const std::unique_ptr<Bits, Free> keys_, values_, queries_, weights_, sums_;
  alignas(64) float products_[ROWS * KEYS];
  Seen seen_;
};

}  // namespace

extern "C" {

// Into out [batch, queries, heads, values].
void attend(const Attention* of, const float* query, const float* key, const float* value, float* out, int threads) {
  const long parts = (of->queries + QUERIES - 1) / QUERIES, heads = of->batch * of->heads;
  const long stride = of->heads * of->values;
#pragma omp parallel num_threads(threads)
  {
    const Tiles in_use;
    Head head(*of);
    long packed = -1;
#pragma omp for schedule(dynamic)
    for (long part = 0; part < heads * parts; part++) {
      const long batch = part / parts / of->heads, number = part / parts % of->heads;
      if (part / parts != packed)
        head.pack(key + batch * of->key.batch + number * of->key.head,
                  value + batch * of->value.batch + number * of->value.head);
      packed = part / parts;
      const long last = std::min((part % parts + 1) * QUERIES, of->queries);
      for (long row = part % parts * QUERIES; row < last; row += ROWS)
        head.attend(query + batch * of->query.batch + number * of->query.head + row * of->query.token,
                    std::min(ROWS, last - row), out + (batch * of->queries + row) * stride + number * of->values,
                    stride);
    }
  }
}

}  // extern "C"
