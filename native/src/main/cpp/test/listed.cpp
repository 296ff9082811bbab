// SPDX-License-Identifier: Apache-2.0
// The list, with the oracle of each routine.
#include "test/listed.h"

#include <algorithm>
#include <memory>

#include "test/costs.h"
#include "test/listed_tools.h"

namespace check {

namespace {

using merganser::Table;

// x of a x = b, all n x n and a positive definite, by elimination.
Vector solve_plain(int64_t n, Vector a, Vector b) {
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t i = 0; i < n; ++i) {
      if (i == k) continue;
      const double factor = a[i * n + k] / a[k * n + k];
      for (int64_t j = 0; j < n; ++j) {
        a[i * n + j] -= factor * a[k * n + j];
        b[i * n + j] -= factor * b[k * n + j];
      }
    }
  }
  for (int64_t i = 0; i < n * n; ++i) b[i] /= a[i / n * n + i / n];
  return b;
}

// ---- Contexts and memory -------------------------------------------------------------------------------

Outcome context_life(mg_context* context, const Input&, bool) {
  mg_context other;
  other.table = context->table;
  Outcome result;
  const bool opened = other.table->open(&other) == MG_OK;
  if (opened) other.table->close(&other);
  result.error = exactly(opened);
  return result;
}

Outcome description(mg_context* context, const Input&, bool) {
  const std::string lines = context->table->describe();
  return {{lines.begin(), lines.end()}, exactly(lines.empty() || lines.find("name: ") == 0)};
}

// The CPU reaches what any caller has, a device only what is its own.
Outcome ownership(mg_context* context, const Input&, bool) {
  const double mine = 0;
  return {{}, exactly(context->table->owns(&mine) == (context->table->device == MG_DEVICE_HOST))};
}

Outcome memory(mg_context* context, const Input& input, bool) {
  const int64_t before = mg_allocated_bytes(), bytes = input.size * size_of(input.dtype);
  void* pointer = nullptr;
  CHECK_OK(mg_alloc(context, bytes, &pointer));
  const bool counted = mg_allocated_bytes() == before + bytes;
  const bool aligned = pointer && reinterpret_cast<uintptr_t>(pointer) % 64 == 0;
  mg_free(context, pointer);
  return {{}, exactly(counted && aligned && mg_allocated_bytes() == before)};
}

Outcome copies(mg_context* context, const Input& input, bool) {
  const std::vector<char> bytes = random_elements(input, input.size, 1);
  const int32_t device = context->table->device;
  Array from(context, static_cast<int64_t>(bytes.size()), input.shift);
  Array to(context, static_cast<int64_t>(bytes.size()), 3 * input.shift);
  from.write(bytes);
  CHECK_OK(mg_copy(context, to.data(), device, from.data(), device, static_cast<int64_t>(bytes.size())));
  return {to.read(), exactly(to.read() == bytes)};
}

// ---- Moments -------------------------------------------------------------------------------------------

// Two series in every mode and three updates; what is asked for goes into the bytes.
Outcome moments(mg_context* context, const Input& input, bool with_oracle, bool blocks) {
  const int64_t d = input.size, e = d + 3, n = 2 * d + 50;
  const int64_t widths[] = {d, e};
  const int32_t pair_i[] = {0, 0, 1}, pair_j[] = {0, 1, 1};
  Outcome result;
  for (int32_t mode = MG_MOMENTS_F32; mode <= MG_MOMENTS_TF32X3; ++mode) {
    const int32_t narrowest = mode == MG_MOMENTS_F64 ? input.dtype : static_cast<int32_t>(MG_F32);
    const double size = magnitude(narrowest, input.scale, 3);
    const Array x(context, input.dtype, gaussian(n * d, 1, 10 * size, size), input.shift);
    const Array y(context, input.dtype, gaussian(n * e, 2, -3 * size, size), input.shift);
    mg_moments* handle = nullptr;
    CHECK_OK(mg_moments_create(context, 2, widths, 3, pair_i, pair_j, mode, MG_NONFINITE_FAIL, &handle));
    const int64_t strides[] = {d, 0, 1, e, 0, 1};
    for (const auto& [from, to] : {std::pair<int64_t, int64_t>{0, 7}, {7, 8}, {8, n}}) {
      const void* data[] = {x.data() + from * d * size_of(input.dtype), y.data() + from * e * size_of(input.dtype)};
      CHECK_OK(mg_moments_update(context, handle, data, input.dtype, to - from, 1, strides));
    }
    const Vector xs = with_oracle ? x.values(input.dtype) : Vector();
    const Vector ys = with_oracle ? y.values(input.dtype) : Vector();
    const double allowed = mode == MG_MOMENTS_F64 ? 1e-12 : mode == MG_MOMENTS_F32 ? 1e-4 : 1e-5;
    for (int32_t k = 0; k < (blocks ? 3 : 2); ++k) {
      const Vector& a = (blocks ? k == 2 : k == 1) ? ys : xs;
      const Vector& b = (blocks ? k == 0 : k == 0) ? xs : ys;
      const int64_t da = (blocks ? k == 2 : k == 1) ? e : d, db = k == 0 ? d : e;
      const Array out(context, (blocks ? da * db : da) * 8, whole(input.shift), !blocks);
      const HostArray mean(context, da * 8, whole(input.shift));
      if (blocks) {
        CHECK_OK(mg_moments_block(context, handle, k, out.doubles()));
      } else {
        CHECK_OK(mg_moments_series(context, handle, k, mean.doubles(), out.doubles()));
        append(result.bytes, mean.read());
      }
      append(result.bytes, out.read());
      if (!with_oracle) continue;
      const Vector exact = two_pass(a, da, b, db, n), found = out.values(MG_F64);
      double largest = largest_magnitude(exact);
      for (size_t i = 0; i < found.size(); ++i) {
        const size_t at = blocks ? i : i * static_cast<size_t>(da) + i;
        raise(result.error, std::fabs(found[i] - exact[at]) / (allowed * largest));
      }
      if (blocks) continue;
      const Vector means = mean.values(MG_F64);
      for (int64_t f = 0; f < da; ++f) {
        long double sum = 0;
        for (int64_t t = 0; t < n; ++t) sum += a[t * da + f];
        raise(result.error, std::fabs(means[f] - static_cast<double>(sum / n)) / (1e-12 * size));
      }
    }
    mg_moments_destroy(context, handle);
  }
  return result;
}

Outcome moments_sums(mg_context* context, const Input& input, bool with_oracle) {
  return moments(context, input, with_oracle, false);
}
Outcome moments_blocks(mg_context* context, const Input& input, bool with_oracle) {
  return moments(context, input, with_oracle, true);
}

// ---- Linear algebra ------------------------------------------------------------------------------------

Outcome gemm(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size, m = n + 1, k = n + 2, shift = whole(input.shift);
  const int32_t dtype = input.dtype;
  const double size = magnitude(dtype, input.scale, 3), epsilon = dtype == MG_F64 ? 1e-14 : 5e-6;
  const auto random = [&](int64_t count, uint64_t seed, double deviation) {
    return Array(context, dtype, gaussian(count, seed, 0, deviation), 0).values(dtype);  // rounded to the type
  };
  const Vector a = random(m * k, 1, size), b = random(k * n, 2, size), c = random(m * n, 3, size * size);
  Outcome result;
  for (int flags = 0; flags < 4; ++flags) {
    const bool ta = flags & 1, tb = flags & 2;
    const Array left(context, dtype, a, shift), right(context, dtype, b, shift), out(context, dtype, c, shift);
    const int64_t lda = ta ? m : k, ldb = std::max<int64_t>(tb ? k : n, 1), ldc = std::max<int64_t>(n, 1);
    CHECK_OK(mg_gemm(context, dtype, ta, tb, m, n, k, 1.5, left.data(), lda, right.data(), ldb, -0.5, out.data(), ldc));
    append(result.bytes, out.read());
    if (!with_oracle) continue;
    const Vector found = out.values(dtype);
    const Vector product = multiply(m, n, k, a, ta, b, tb);
    const double allowed = epsilon * size * size * static_cast<double>(k);
    for (size_t i = 0; i < found.size(); ++i) {
      raise(result.error, std::fabs(found[i] - (1.5 * product[i] - 0.5 * c[i])) / allowed);
    }
  }
  return result;
}

// A part of a wider matrix into a part of one; what lies beside it stays.
Outcome transpose(mg_context* context, const Input& input, bool) {
  const int64_t rows = input.size, cols = input.size + 3, ldin = cols + 1, ldout = rows + 2;
  const size_t bytes = static_cast<size_t>(size_of(input.dtype));
  const std::vector<char> elements = random_elements(input, rows * ldin, 1),
                          before = random_elements(input, cols * ldout, 2);
  Array in(context, static_cast<int64_t>(elements.size()), input.shift);
  Array out(context, static_cast<int64_t>(before.size()), input.shift);
  in.write(elements);
  out.write(before);
  CHECK_OK(mg_transpose(context, input.dtype, rows, cols, in.data(), ldin, out.data(), ldout));
  std::vector<char> expected = before;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      std::memcpy(&expected[(j * ldout + i) * bytes], &elements[(i * ldin + j) * bytes], bytes);
    }
  }
  return {out.read(), exactly(out.read() == expected)};
}

// q is orthogonal, q^T a is symmetric with the sum of the singular values as trace: only the polar factor is.
Outcome polar(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size, shift = whole(input.shift);
  const double size = magnitude(MG_F64, input.scale);
  const Vector a = gaussian(n * n, 5);
  const Array in(context, MG_F64, scaled(a, size), shift), q(context, n * n * 8, shift), sigma(context, n * 8, shift);
  mg_polar_report report{};
  CHECK_OK(mg_polar(context, MG_F64, 1, n, in.doubles(), n, q.doubles(), n, sigma.doubles(), &report));
  Outcome result;
  append(result.bytes, q.read());
  append(result.bytes, sigma.read());
  if (!with_oracle) return result;
  const Vector factor = q.values(MG_F64), values = scaled(sigma.values(MG_F64), 1 / size);
  const Vector h = multiply(n, n, n, factor, true, a, false);
  double asymmetry = 0, trace = 0, nuclear = 0, decreasing = 0;
  for (int64_t i = 0; i < n; ++i) {
    trace += h[i * n + i];
    nuclear += values[i];
    if (values[i] < 0 || (i > 0 && values[i] > values[i - 1])) decreasing = kInf;
    for (int64_t j = 0; j < n; ++j) raise(asymmetry, std::fabs(h[i * n + j] - h[j * n + i]));
  }
  const double allowed = 1e-12 * static_cast<double>(n);
  raise(result.error, largest_difference(multiply(n, n, n, factor, true, factor, false), identity(n)) / allowed);
  raise(result.error, asymmetry / (allowed * values[0]));
  raise(result.error, std::fabs(trace - nuclear) / (allowed * nuclear));
  raise(result.error, std::fabs(report.sum / size - nuclear) / (allowed * nuclear));
  raise(result.error, decreasing + exactly(report.rank == n && report.completion == MG_COMPLETION_NONE));
  return result;
}

// u and vt are orthonormal, sigma decreases, and the product of the three is a: wide, square and tall.
Outcome thin_svd(mg_context* context, const Input& input, bool with_oracle) {
  const double size = magnitude(MG_F64, input.scale);
  const int64_t shift = whole(input.shift);
  Outcome result;
  for (const int64_t more : {0, 5, -static_cast<int>(input.size / 2)}) {
    const int64_t m = input.size, n = input.size + more, r = std::min(m, n);
    const Vector a = gaussian(m * n, 6);
    const Array in(context, MG_F64, scaled(a, size), shift), u(context, m * r * 8, shift), vt(context, r * n * 8, shift),
        sigma(context, r * 8, shift);
    CHECK_OK(mg_svd(context, m, n, in.doubles(), n, u.doubles(), r, sigma.doubles(), vt.doubles(), n));
    for (const Array* each : {&u, &sigma, &vt}) append(result.bytes, each->read());
    if (!with_oracle) continue;
    const Vector left = u.values(MG_F64), right = vt.values(MG_F64), values = scaled(sigma.values(MG_F64), 1 / size);
    Vector product = left;
    for (int64_t i = 0; i < m * r; ++i) product[i] *= values[i % r];
    const double allowed = 1e-13 * static_cast<double>(std::max(m, n));
    for (int64_t k = 0; k < r; ++k) raise(result.error, exactly(values[k] >= 0 && (k == 0 || values[k] <= values[k - 1])));
    raise(result.error, largest_difference(multiply(r, r, m, left, true, left, false), identity(r)) / allowed);
    raise(result.error, largest_difference(multiply(r, r, n, right, false, right, true), identity(r)) / allowed);
    raise(result.error, largest_difference(multiply(m, n, r, product, false, right, false), a) / (allowed * values[0]));
  }
  return result;
}

// Orthonormal vectors, ascending values, and a v = value v; the upper triangle is not read.
Outcome symmetric_eigen(mg_context* context, const Input& input, bool with_oracle) {
  const double size = magnitude(MG_F64, input.scale);
  const int64_t n = input.size, shift = whole(input.shift);
  Vector a = gaussian(n * n, 61);
  Vector lower = a;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = i + 1; j < n; ++j) a[i * n + j] = a[j * n + i];
  }
  const Array in(context, MG_F64, scaled(lower, size), shift), vectors(context, n * n * 8, shift),
      values(context, n * 8, shift);
  CHECK_OK(mg_symmetric_eigen(context, n, in.doubles(), n, vectors.doubles(), n, values.doubles()));
  Outcome result;
  append(result.bytes, vectors.read());
  append(result.bytes, values.read());
  if (!with_oracle) return result;
  const Vector v = vectors.values(MG_F64), found = scaled(values.values(MG_F64), 1 / size);
  const double allowed = 1e-13 * static_cast<double>(n);
  raise(result.error, largest_difference(multiply(n, n, n, v, false, v, true), identity(n)) / allowed);
  Vector scaled_rows = v;
  for (int64_t k = 0; k < n; ++k) {
    raise(result.error, exactly(k == 0 || found[k] >= found[k - 1]));
    for (int64_t i = 0; i < n; ++i) scaled_rows[k * n + i] *= found[k];
  }
  raise(result.error, largest_difference(multiply(n, n, n, v, false, a, false), scaled_rows) / (10 * allowed));
  return result;
}

// q is orthonormal, r upper triangular with no negative pivot, and their product is a: square, tall, of full rank or not.
Outcome thin_qr(mg_context* context, const Input& input, bool with_oracle) {
  const double size = magnitude(MG_F64, input.scale);
  const int64_t n = input.size, shift = whole(input.shift);
  Outcome result;
  for (const int64_t m : {n, n + 5, 3 * n}) {
    Vector a = gaussian(m * n, 31);
    for (int64_t i = 0; m > n && i < m; ++i) a[i * n + n - 1] = a[i * n];  // twice the same column
    const Array in(context, MG_F64, scaled(a, size), shift), q(context, m * n * 8, shift), r(context, n * n * 8, shift);
    CHECK_OK(mg_qr(context, m, n, in.doubles(), n, q.doubles(), n, r.doubles(), n));
    append(result.bytes, q.read());
    append(result.bytes, r.read());
    if (!with_oracle) continue;
    const Vector left = q.values(MG_F64), right = scaled(r.values(MG_F64), 1 / size);
    for (int64_t i = 0; i < n; ++i) {
      raise(result.error, exactly(right[i * n + i] >= 0));
      for (int64_t j = 0; j < i; ++j) raise(result.error, exactly(right[i * n + j] == 0));
    }
    const double allowed = 1e-14 * static_cast<double>(m);
    raise(result.error, largest_difference(multiply(n, n, m, left, true, left, false), identity(n)) / allowed);
    raise(result.error, largest_difference(multiply(m, n, n, left, false, right, false), a) / (allowed * 5));
  }
  return result;
}

// Of a reflected block diagonal matrix, turned planes and single values, whose eigenvalues are known and well conditioned.
Outcome general_eigenvalues(mg_context* context, const Input& input, bool with_oracle) {
  const double size = magnitude(MG_F64, input.scale);
  const int64_t n = input.size, count = 3, shift = whole(input.shift);
  Vector all, planted_real, planted_imaginary;
  for (int64_t k = 0; k < count; ++k) {
    const Vector parts = gaussian(n, 41 + static_cast<uint64_t>(k)), normal = gaussian(n, 51 + static_cast<uint64_t>(k));
    Vector a(static_cast<size_t>(n * n)), reflection = identity(n);
    for (int64_t i = 0; i < n; ++i) {
      a[i * n + i] = parts[i];
      planted_real.push_back(parts[i]);
      planted_imaginary.push_back(0);
      if (i % 4 != 1) continue;  // a pair with the one before
      a[i * n + i] = planted_real[k * n + i] = parts[i - 1];
      a[(i - 1) * n + i] = parts[i];
      a[i * n + i - 1] = -parts[i];
      planted_imaginary[k * n + i - 1] = std::fabs(parts[i]);
      planted_imaginary[k * n + i] = -std::fabs(parts[i]);
    }
    double squares = 0;
    for (double each : normal) squares += each * each;
    for (int64_t i = 0; i < n * n; ++i) reflection[i] -= 2 * normal[i / n] * normal[i % n] / squares;
    a = multiply(n, n, n, multiply(n, n, n, reflection, false, a, false), false, reflection, false);
    all.insert(all.end(), a.begin(), a.end());
  }
  const Array in(context, MG_F64, scaled(all, size), shift), real(context, count * n * 8, shift),
      imaginary(context, count * n * 8, shift);
  CHECK_OK(mg_general_eigenvalues(context, count, n, in.doubles(), n, real.doubles(), imaginary.doubles()));
  Outcome result;
  append(result.bytes, real.read());
  append(result.bytes, imaginary.read());
  if (!with_oracle) return result;
  const Vector re = scaled(real.values(MG_F64), 1 / size), im = scaled(imaginary.values(MG_F64), 1 / size);
  for (int64_t k = 0; k < count; ++k) {
    std::vector<bool> taken(static_cast<size_t>(n));
    for (int64_t i = k * n; i < (k + 1) * n; ++i) {
      int64_t nearest = -1;
      double least = kInf;
      for (int64_t j = 0; j < n; ++j) {
        const double far = std::hypot(re[i] - planted_real[k * n + j], im[i] - planted_imaginary[k * n + j]);
        if (!taken[j] && far < least) least = far, nearest = j;
      }
      if (nearest >= 0) taken[nearest] = true;
      raise(result.error, least / (1e-13 * static_cast<double>(n)));
      if (im[i] > 0) raise(result.error, exactly(i + 1 < (k + 1) * n && re[i + 1] == re[i] && im[i + 1] == -im[i]));
    }
  }
  return result;
}

// a x = b up to the rounding of the terms, for right sides of several widths.
Outcome solve(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size, shift = whole(input.shift);
  const double size = magnitude(MG_F64, input.scale);
  const Vector root = gaussian(n * n, 21);
  Vector a = multiply(n, n, n, root, false, root, true);
  for (int64_t i = 0; i < n; ++i) a[i * n + i] += static_cast<double>(n);
  const Array in(context, MG_F64, scaled(a, size), shift);
  Outcome result;
  for (const int64_t cols : {n, int64_t{1}, n + 5}) {
    const Vector b = gaussian(n * cols, 22);
    const Array right(context, MG_F64, scaled(b, size), shift), x(context, n * cols * 8, shift);
    CHECK_OK(mg_solve(context, n, cols, in.doubles(), n, right.doubles(), cols, x.doubles(), cols));
    append(result.bytes, x.read());
    if (!with_oracle) continue;
    const Vector found = x.values(MG_F64), again = multiply(n, cols, n, a, false, found, false);
    double most = 0;
    for (double each : b) raise(most, std::fabs(each));
    raise(result.error, largest_difference(again, b) / (1e-13 * static_cast<double>(n) * (1 + most)));
  }
  return result;
}

// T Y T^T = X, T Tinv = I, Tinv Sxy symmetric with Y^-1 Tinv Sxy having the sum of the correlations as trace.
Outcome cca_map(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size, shift = whole(input.shift);
  const Covariances p = covariances(n, 40 * n, 0.5, static_cast<uint64_t>(n));
  // The correlations do not change with the scales of x and y, T changes with their ratio.
  const double sx = magnitude(MG_F64, input.scale, 3), sy = 1 / sx, gamma = 0.1;
  const double gamma_x = gamma * sx, gamma_y = gamma * sy;
  const Array sxx(context, MG_F64, scaled(p.xx, sx), shift), syy(context, MG_F64, scaled(p.yy, sy), shift),
      sxy(context, MG_F64, p.xy, shift), t(context, n * n * 8, shift), tinv(context, n * n * 8, shift),
      correlations(context, n * 8, shift);
  mg_cca_report report{};
  CHECK_OK(mg_cca_map(context, MG_F64, n, sxx.doubles(), syy.doubles(), sxy.doubles(), 1, &gamma_x, &gamma_y,
                      t.doubles(), tinv.doubles(), correlations.doubles(), &report));
  Outcome result;
  for (const Array* each : {&t, &tinv, &correlations}) append(result.bytes, each->read());
  if (!with_oracle) return result;
  const Vector map = scaled(t.values(MG_F64), sy), inverse = scaled(tinv.values(MG_F64), sx);
  Vector x = p.xx, y = p.yy;
  for (int64_t i = 0; i < n; ++i) {
    x[i * n + i] += gamma;
    y[i * n + i] += gamma;
  }
  const double allowed = 1e-9;
  const Vector back = multiply(n, n, n, multiply(n, n, n, map, false, y, false), false, map, true);
  raise(result.error, largest_difference(back, x) / (allowed * largest_magnitude(x)));
  raise(result.error, largest_difference(multiply(n, n, n, map, false, inverse, false), identity(n)) / allowed);
  const Vector h = multiply(n, n, n, inverse, false, p.xy, false);
  const Vector root = solve_plain(n, y, h);
  double asymmetry = 0, trace = 0, sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    trace += root[i * n + i];
    sum += correlations.values(MG_F64)[i];
    for (int64_t j = 0; j < n; ++j) raise(asymmetry, std::fabs(h[i * n + j] - h[j * n + i]));
  }
  raise(result.error, asymmetry / (allowed * largest_magnitude(h)));
  raise(result.error, std::fabs(trace - sum) / (allowed * static_cast<double>(n)));
  raise(result.error, std::fabs(report.sum - sum) / (allowed * static_cast<double>(n)));
  raise(result.error, exactly(report.rank == n && report.clipped_x == 0 && report.clipped_y == 0));
  return result;
}

// ---- Passes over matrices ------------------------------------------------------------------------------

// A matrix of size x (size + 3) between unused columns, and its elements.
struct Padded {
  int64_t rows, cols, ld;
  std::unique_ptr<Array> array;
  Vector values;
  Padded(mg_context* context, const Input& input, uint64_t seed, int64_t more)
      : rows(input.size), cols(input.size + 3), ld(cols + more) {
    const std::vector<char> elements = random_elements(input, rows * ld, seed);
    array = std::make_unique<Array>(context, static_cast<int64_t>(elements.size()), whole(input.shift));
    array->write(elements);
    const Vector all = array->values(MG_F64);
    for (int64_t e = 0; e < rows * cols; ++e) values.push_back(all[e / cols * ld + e % cols]);
  }
};

Outcome divide(mg_context* context, const Input& input, bool) {
  const Padded a(context, input, 3, 2);
  Outcome result;
  for (int form = 0; form < 4; ++form) {  // neither list, one, the other, both; with a zero in each
    Vector by_row = gaussian(a.rows, 5), by_col = gaussian(a.cols, 6);
    by_row[a.rows / 2] = by_col[a.cols - 1] = 0;
    const int64_t ldo = a.cols + 1;
    const Array out(context, MG_F64, Vector(static_cast<size_t>(a.rows * ldo), 7.0), whole(input.shift));
    CHECK_OK(mg_divide(context, a.rows, a.cols, a.array->doubles(), a.ld, form & 1 ? by_row.data() : nullptr,
                       form & 2 ? by_col.data() : nullptr, out.doubles(), ldo));
    append(result.bytes, out.read());
    const Vector found = out.values(MG_F64);
    for (int64_t e = 0; e < a.rows * ldo; ++e) {
      const int64_t i = e / ldo, j = e % ldo;
      double want = 7;
      if (j < a.cols) {
        const double both = (form & 1 ? by_row[i] : 1) * (form & 2 ? by_col[j] : 1);
        want = both == 0 ? 0 : a.values[i * a.cols + j] / both;
      }
      raise(result.error, exactly(found[e] == want || (std::isnan(found[e]) && std::isnan(want))));
    }
  }
  return result;
}

Outcome norm(mg_context* context, const Input& input, bool) {
  const Padded a(context, input, 4, 1);
  Outcome result;
  for (double shift : {0.0, 1.0}) {
    double most = 0, sum = 0;
    bool is_nan = false;
    for (int64_t j = 0; j < a.cols; ++j) {
      double column = 0;
      for (int64_t i = 0; i < a.rows; ++i) {
        const double magnitude = std::fabs(a.values[i * a.cols + j] - (i == j ? shift : 0));
        is_nan = is_nan || std::isnan(magnitude);
        column += magnitude;
        most = std::max(most, magnitude);
      }
      sum = std::max(sum, column);
    }
    for (int32_t kind : {MG_NORM_ONE, MG_NORM_MAX}) {
      double found = -1;
      CHECK_OK(mg_norm(context, kind, a.rows, a.cols, a.array->doubles(), a.ld, shift, &found));
      append(result.bytes, &found, 1);
      raise(result.error, exactly(is_nan ? std::isnan(found) : found == (kind == MG_NORM_ONE ? sum : most)));
    }
  }
  return result;
}

Outcome row_products(mg_context* context, const Input& input, bool) {
  Input part = input;
  if (part.scale == Scale::HUGE_VALUES || part.scale == Scale::TINY) part.scale = Scale::NORMAL;
  const double size = magnitude(MG_F64, input.scale, 2);
  const Padded plain(context, part, 8, 2), other(context, part, 9, 0);
  const Array x(context, MG_F64, scaled(plain.array->values(MG_F64), size), whole(input.shift));
  const Array y(context, MG_F64, scaled(other.array->values(MG_F64), size), whole(input.shift));
  Vector out(static_cast<size_t>(plain.rows), kNaN);
  CHECK_OK(mg_row_products(context, plain.rows, plain.cols, x.doubles(), plain.ld, y.doubles(), other.ld, out.data()));
  Outcome result;
  append(result.bytes, out.data(), out.size());
  for (int64_t i = 0; i < plain.rows; ++i) {
    long double sum = 0, magnitudes = 0;
    for (int64_t j = 0; j < plain.cols; ++j) {
      const long double product =
          static_cast<long double>(plain.values[i * plain.cols + j] * size) * (other.values[i * plain.cols + j] * size);
      sum += product;
      magnitudes += std::fabs(product);
    }
    raise(result.error, static_cast<double>(std::fabs(out[i] - sum) / (1e-15 * plain.cols * magnitudes + 1e-300)));
  }
  return result;
}

// ---- Linear assignment ---------------------------------------------------------------------------------

struct Matching {
  std::vector<int64_t> columns;
  Vector u, v;
};

// The largest violation of the conditions in merganser.h, in a wider type where there is one.
double violation(int64_t rows, int64_t cols, const Vector& cost, double sign, const Matching& m) {
  double worst = 0;
  std::vector<char> used(static_cast<size_t>(cols), 0);
  for (int64_t i = 0; i < rows; ++i) {
    used[m.columns[i]] = 1;
    const auto excess = [&](int64_t j) {
      const long double dual = static_cast<long double>(m.u[i]) + m.v[j];
      return static_cast<double>(dual - sign * cost[i * cols + j]);
    };
    for (int64_t j = 0; j < cols; ++j) raise(worst, excess(j));
    raise(worst, std::fabs(excess(m.columns[i])));
  }
  for (int64_t j = 0; j < cols && rows < cols; ++j) raise(worst, used[j] ? m.v[j] : std::fabs(m.v[j]));
  return worst;
}

// Random and tied numbers, a matrix of rank one, and rows in which all columns are equal.
Vector costs_of(int family, int64_t rows, int64_t cols) {
  Vector cost = gaussian(rows * cols, static_cast<uint64_t>(cols));
  for (int64_t e = 0; e < rows * cols; ++e) {
    const double i = static_cast<double>(e / cols), j = static_cast<double>(e % cols);
    if (family == 1) cost[e] = std::floor(2 * cost[e]);
    if (family == 2) cost[e] = std::sqrt(1.5 * i) * std::sqrt(j + 0.25) / static_cast<double>(cols);
    if (family == 3 && e / cols % 5 == 0) cost[e] = 0;
  }
  return cost;
}

// What a solver found goes into the bytes, and is checked against the conditions of an optimum.
void add_matching(Outcome& result, int64_t rows, int64_t cols, const Vector& costs, bool maximise, const Matching& m,
                  double value, bool with_oracle) {
  append(result.bytes, m.columns.data(), m.columns.size());
  append(result.bytes, m.u.data(), m.u.size());
  append(result.bytes, m.v.data(), m.v.size());
  append(result.bytes, &value, 1);
  if (!with_oracle) return;
  std::vector<int64_t> sorted = m.columns;
  std::sort(sorted.begin(), sorted.end());
  const bool distinct = std::unique(sorted.begin(), sorted.end()) == sorted.end();
  const bool inside = sorted.empty() || (sorted.front() >= 0 && sorted.back() < cols);
  raise(result.error, exactly(distinct && inside));
  if (!inside) return;
  const double largest = largest_magnitude(costs);
  const double allowed = 4e-15 * largest * static_cast<double>(cols + 1) + 1e-320;
  raise(result.error, violation(rows, cols, costs, maximise ? -1 : 1, m) / allowed);
  double sum = 0;
  for (int64_t i = 0; i < rows; ++i) sum += costs[i * cols + m.columns[i]];
  raise(result.error, std::fabs(sum - value) / allowed);
}

// Every family, square and not, both directions, with parts of the solver forced; `certify` checks a matching whose
// duals are off.
Outcome assignments(mg_context* context, const Input& input, bool with_oracle, bool certify) {
  const int64_t cols = input.size, shift = whole(input.shift);
  const double size = magnitude(input.dtype, input.scale);
  std::vector<int32_t> routes = {0};
  if (!certify) {
    routes.insert(routes.end(),
                  {MG_ASSIGNMENT_LISTS | MG_ASSIGNMENT_SHORT_LISTS, MG_ASSIGNMENT_LISTS | MG_ASSIGNMENT_AUCTION,
                   MG_ASSIGNMENT_LISTS | MG_ASSIGNMENT_NO_REDUCTION | MG_ASSIGNMENT_SPARSE,
                   MG_ASSIGNMENT_NO_REDUCTION | MG_ASSIGNMENT_DENSE});
  }
  Outcome result;
  for (int64_t rows : {cols, std::max<int64_t>(cols - 3, 0)}) {
    for (int family = 0; family < 4; ++family) {
      const Array cost(context, input.dtype, scaled(costs_of(family, rows, cols), size), input.shift);
      const Vector costs = cost.values(input.dtype);
      const HostArray u(context, rows * 8, shift), v(context, cols * 8, shift);
      for (bool maximise : {false, true}) {
        for (int32_t route : routes) {
          Matching m{std::vector<int64_t>(static_cast<size_t>(rows)), {}, {}};
          double value = 0;
          CHECK_OK(mg_assignment_route(context, route));
          CHECK_OK(assign(context, matrix(input.dtype, rows, cols, cost.data(), std::max<int64_t>(cols, 1)), maximise,
                          0, m.columns.data(), u.doubles(), v.doubles(), &value));
          CHECK_OK(mg_assignment_route(context, 0));
          m.u = u.values(MG_F64);
          m.v = v.values(MG_F64);
          if (!certify) {
            add_matching(result, rows, cols, costs, maximise, m, value, with_oracle);
            continue;
          }
          if (!m.v.empty()) m.v[0] += 0.25 * size;
          const HostArray off(context, MG_F64, m.v, shift);
          double found = -1;
          CHECK_OK(certified(context, matrix(input.dtype, rows, cols, cost.data(), std::max<int64_t>(cols, 1)),
                             maximise, m.columns.data(), u.doubles(), off.doubles(), &found));
          append(result.bytes, &found, 1);
          if (with_oracle) {
            const double want = violation(rows, cols, costs, maximise ? -1 : 1, m);
            raise(result.error, std::fabs(found - want) / (1e-15 * want + 1e-320));
          }
        }
      }
    }
  }
  return result;
}

Outcome assignment(mg_context* context, const Input& input, bool with_oracle) {
  return assignments(context, input, with_oracle, false);
}
Outcome assignment_certify(mg_context* context, const Input& input, bool with_oracle) {
  return assignments(context, input, with_oracle, true);
}

// From any duals, and from those found.
Outcome assignment_warm(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size, shift = whole(input.shift);
  const double size = magnitude(input.dtype, input.scale);
  Outcome result;
  for (int family = 0; family < 4; ++family) {
    const Array cost(context, input.dtype, scaled(costs_of(family, n, n), size), input.shift);
    const Vector costs = cost.values(input.dtype);
    for (bool maximise : {false, true}) {
      const HostArray u(context, n * 8, shift), v(context, MG_F64, scaled(gaussian(n, 7), size), shift);
      for (int turn = 0; turn < 2; ++turn) {
        Matching m{std::vector<int64_t>(static_cast<size_t>(n)), {}, {}};
        double value = 0;
        CHECK_OK(assign(context, matrix(input.dtype, n, n, cost.data(), n), maximise, 1, m.columns.data(), u.doubles(),
                        v.doubles(), &value));
        m.u = u.values(MG_F64);
        m.v = v.values(MG_F64);
        add_matching(result, n, n, costs, maximise, m, value, with_oracle);
      }
    }
  }
  return result;
}

// Costs as products of rows, random and tied, down to none at all; `certify` as above.
Outcome factors(mg_context* context, const Input& input, bool with_oracle, bool certify) {
  const int64_t cols = input.size, shift = whole(input.shift);
  // Products of F32 are in range as F64.
  const double size = magnitude(input.dtype, input.scale, input.dtype == MG_F64 ? 2 : 1);
  Outcome result;
  for (int64_t rows : {cols, std::max<int64_t>(cols - 3, 0)}) {
    for (int64_t k : {0, 1, 9}) {
      for (bool tied : {false, true}) {
        const int64_t ldx = k + 1, ldy = k + 2;
        Vector left = gaussian(rows * ldx, static_cast<uint64_t>(cols)), right = gaussian(cols * ldy, 3);
        for (Vector* each : {&left, &right}) {
          for (double& element : *each) element = tied ? std::floor(2 * element) : element;
        }
        const Array x(context, input.dtype, scaled(left, size), input.shift);
        const Array y(context, input.dtype, scaled(right, size), input.shift);
        const Vector xs = x.values(input.dtype), ys = y.values(input.dtype);
        Vector costs(static_cast<size_t>(rows * cols), 0.0);
        for (int64_t e = 0; e < rows * cols; ++e) {
          for (int64_t l = 0; l < k; ++l) costs[e] += xs[e / cols * ldx + l] * ys[e % cols * ldy + l];
        }
        for (bool maximise : {false, true}) {
          const HostArray u(context, rows * 8, shift), v(context, cols * 8, shift);
          for (bool warm : {false, true}) {  // the second one from the duals of the first
            if (warm && (certify || rows < cols)) continue;
            Matching m{std::vector<int64_t>(static_cast<size_t>(rows)), {}, {}};
            double value = 0;
            CHECK_OK(assign(context, products(input.dtype, rows, cols, k, x.data(), ldx, y.data(), ldy), maximise, warm,
                            m.columns.data(), u.doubles(), v.doubles(), &value));
            m.u = u.values(MG_F64);
            m.v = v.values(MG_F64);
            if (!certify) {
              add_matching(result, rows, cols, costs, maximise, m, value, with_oracle);
              continue;
            }
            m.v[0] += 0.25 * size * size;
            const HostArray off(context, MG_F64, m.v, shift);
            double found = -1;
            CHECK_OK(certified(context, products(input.dtype, rows, cols, k, x.data(), ldx, y.data(), ldy), maximise,
                               m.columns.data(), u.doubles(), off.doubles(), &found));
            append(result.bytes, &found, 1);
            if (with_oracle) {
              const double want = violation(rows, cols, costs, maximise ? -1 : 1, m);
              raise(result.error, std::fabs(found - want) / (1e-15 * want + 1e-320));
            }
          }
        }
      }
    }
  }
  return result;
}

Outcome assignment_factors(mg_context* context, const Input& input, bool with_oracle) {
  return factors(context, input, with_oracle, false);
}
Outcome assignment_factors_certify(mg_context* context, const Input& input, bool with_oracle) {
  return factors(context, input, with_oracle, true);
}

// Problems of unlike sizes, empty ones too, each with a leading dimension of its own.
Outcome assignment_batch(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size, shift = whole(input.shift);
  const double size = magnitude(input.dtype, input.scale);
  const std::vector<int64_t> rows = {n, 0, std::max<int64_t>(n - 3, 0), 1, n / 2, 2}, cols = {n, 2, n, 1, n, 5};
  std::vector<int64_t> ld, columns;
  std::vector<std::unique_ptr<Array>> arrays;
  std::vector<mg_costs> problems;
  std::vector<Vector> costs;
  int64_t all_rows = 0, all_cols = 0;
  for (size_t p = 0; p < rows.size(); ++p) {
    ld.push_back(cols[p] + static_cast<int64_t>(p));
    const Vector plain = scaled(costs_of(static_cast<int>(p % 4), rows[p], cols[p]), size);
    Vector padded(static_cast<size_t>(rows[p] * ld[p]), kNaN);  // which nobody may read
    for (int64_t e = 0; e < rows[p] * cols[p]; ++e) padded[e / cols[p] * ld[p] + e % cols[p]] = plain[e];
    arrays.push_back(std::make_unique<Array>(context, input.dtype, padded, input.shift));
    problems.push_back(matrix(input.dtype, rows[p], cols[p], arrays.back()->data(), ld[p]));
    const Vector stored = arrays.back()->values(input.dtype);
    costs.emplace_back();
    for (int64_t e = 0; e < rows[p] * cols[p]; ++e) {
      costs.back().push_back(stored[e / cols[p] * ld[p] + e % cols[p]]);
    }
    all_rows += rows[p];
    all_cols += cols[p];
  }
  columns.resize(static_cast<size_t>(all_rows));
  Outcome result;
  for (bool maximise : {false, true}) {
    const HostArray u(context, all_rows * 8, shift), v(context, all_cols * 8, shift);
    Vector value(rows.size(), kNaN);
    CHECK_OK(mg_assignment_batch(context, static_cast<int64_t>(problems.size()), problems.data(), maximise,
                                 columns.data(), u.doubles(), v.doubles(), value.data()));
    const Vector us = u.values(MG_F64), vs = v.values(MG_F64);
    int64_t row = 0, col = 0;
    for (size_t p = 0; p < rows.size(); ++p) {
      const Matching m{std::vector<int64_t>(columns.begin() + row, columns.begin() + row + rows[p]),
                       Vector(us.begin() + row, us.begin() + row + rows[p]),
                       Vector(vs.begin() + col, vs.begin() + col + cols[p])};
      add_matching(result, rows[p], cols[p], costs[p], maximise, m, value[p], with_oracle);
      row += rows[p];
      col += cols[p];
    }
  }
  return result;
}

// ---- Applying feature maps -----------------------------------------------------------------------------

struct Shape {
  int64_t outer, inner;
};
const std::vector<Shape> kShapes = {{1, 1}, {3, 5}, {2, 300}};

Outcome apply_dense(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n_in = input.size, n_out = std::max<int64_t>(n_in - 2, 1);
  Outcome result;
  for (const Shape& s : kShapes) {
    if (n_in > 100 && s.outer == 3) continue;
    for (bool transpose : {false, true}) {
      const int64_t in_stride = n_in * s.inner + 3, out_stride = n_out * s.inner + 2;
      const Vector map = gaussian(n_out * n_in, 1);
      // Sums of huge values would leave the range.
      const double size = magnitude(input.dtype, input.scale) * (input.scale == Scale::HUGE_VALUES ? 1e-2 : 1);
      const Array m(context, MG_F64, map, whole(input.shift));
      const Array in(context, input.dtype, gaussian(s.outer * in_stride, 2, 0, size), input.shift);
      const Vector sevens(static_cast<size_t>(s.outer * out_stride), 7.0);
      const Array out(context, input.dtype, sevens, input.shift);
      CHECK_OK(mg_apply_dense(context, input.dtype, s.outer, n_in, s.inner, n_out, m.doubles(),
                              transpose ? n_out : std::max<int64_t>(n_in, 1), transpose, in.data(), in_stride,
                              out.data(), out_stride));
      append(result.bytes, out.read());
      if (!with_oracle) continue;
      const Vector x = in.values(input.dtype), y = out.values(input.dtype);
      for (int64_t o = 0; o < s.outer; ++o) {
        for (int64_t r = 0; r < n_out; ++r) {
          for (int64_t p = 0; p < s.inner; ++p) {
            double sum = 0, terms = 0;
            for (int64_t c = 0; c < n_in; ++c) {
              const double weight = transpose ? map[c * n_out + r] : map[r * n_in + c];
              const double term = weight * x[o * in_stride + c * s.inner + p];
              sum += term;
              terms += std::fabs(term);
            }
            const double allowed = 1e-14 * terms + 1.01 * unit(input.dtype) * std::fabs(sum) + least(input.dtype);
            raise(result.error, std::fabs(y[o * out_stride + r * s.inner + p] - sum) / allowed);
          }
        }
        for (int64_t e = n_out * s.inner; e < out_stride; ++e) {
          raise(result.error, exactly(y[o * out_stride + e] == 7));
        }
      }
    }
  }
  return result;
}

Outcome apply_gather(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size;
  const int64_t bytes = size_of(input.dtype);
  std::vector<int64_t> index(static_cast<size_t>(n));
  for (int64_t r = 0; r < n; ++r) index[r] = (5 * r + 2) % n;
  // Factors that keep huge values in range.
  Vector scale = gaussian(n, 9);
  for (double& each : scale) each = std::tanh(each);
  Outcome result;
  for (const Shape& s : kShapes) {
    if (n > 300 && s.inner > 5) continue;
    const int64_t slice = n * s.inner;
    const std::vector<char> in = random_elements(input, s.outer * slice, 2);
    Array from(context, static_cast<int64_t>(in.size()), input.shift);
    from.write(in);
    for (bool with_scale : {false, true}) {
      const Array to(context, static_cast<int64_t>(in.size()), input.shift);
      CHECK_OK(mg_apply_gather(context, input.dtype, s.outer, n, s.inner, n, index.data(),
                               with_scale ? scale.data() : nullptr, from.data(), slice, to.data(), slice));
      const std::vector<char> found = to.read();
      append(result.bytes, found);
      if (!with_oracle) continue;
      std::vector<char> expected(in.size());
      bool right = true;
      for (int64_t e = 0; e < s.outer * slice; ++e) {
        const int64_t o = e / slice, r = e / s.inner % n, p = e % s.inner;
        const int64_t source = (o * n + index[r]) * s.inner + p;
        char* at = expected.data() + e * bytes;
        std::memcpy(at, in.data() + source * bytes, static_cast<size_t>(bytes));
        if (with_scale) store(input.dtype, element(input.dtype, in.data(), source) * scale[r], expected.data(), e);
        // A scaled NaN stays one; its payload is the processor's.
        const bool nan = with_scale && std::isnan(element(input.dtype, expected.data(), e));
        right = right && (nan ? std::isnan(element(input.dtype, found.data(), e))
                              : std::memcmp(at, found.data() + e * bytes, static_cast<size_t>(bytes)) == 0);
      }
      raise(result.error, exactly(right));
    }
  }
  return result;
}

// ---- Merge arithmetic and conversion -------------------------------------------------------------------

Outcome weighted_sums(mg_context* context, const Input& input, bool with_oracle, const std::vector<int32_t>& counts) {
  Outcome result;
  for (int32_t models : counts) {
    const Vector weights = gaussian(models, 5);
    std::vector<std::unique_ptr<Array>> arrays;
    std::vector<const void*> in;
    Vector sum;
    std::vector<float> short_sum;  // that of the 16-bit types, where it is finite
    for (int32_t k = 0; k < models; ++k) {
      const std::vector<char> elements = random_elements(input, input.size, 10 + static_cast<uint64_t>(k));
      arrays.push_back(std::make_unique<Array>(context, static_cast<int64_t>(elements.size()), input.shift));
      arrays.back()->write(elements);
      in.push_back(arrays.back()->data());
      for (int64_t i = 0; i < input.size && with_oracle; ++i) {
        const double value = element(input.dtype, elements.data(), i), term = weights[k] * value;
        const float short_term = static_cast<float>(weights[k]) * static_cast<float>(value);
        if (k == 0) {
          sum.push_back(term);
          short_sum.push_back(short_term);
        } else {
          sum[i] += term;
          short_sum[i] += short_term;
        }
      }
    }
    const Array out(context, input.size * size_of(input.dtype), input.shift);
    CHECK_OK(mg_weighted_sum(context, input.dtype, input.size, models, in.data(), weights.data(), out.data()));
    append(result.bytes, out.read());
    if (!with_oracle) continue;
    std::vector<char> expected(static_cast<size_t>(input.size * size_of(input.dtype)));
    for (int64_t i = 0; i < input.size; ++i) {
      const bool in_f32 = size_of(input.dtype) == 2 && std::isfinite(short_sum[i]);
      store(input.dtype, in_f32 ? short_sum[i] : sum[i], expected.data(), i);
    }
    raise(result.error, exactly(out.read() == expected));
  }
  return result;
}

Outcome weighted_sum(mg_context* context, const Input& input, bool with_oracle) {
  return weighted_sums(context, input, with_oracle, {1, 2, 3, 4, 6});
}

// More than travel with a launch.
Outcome weighted_sum_of_many(mg_context* context, const Input& input, bool with_oracle) {
  return weighted_sums(context, input, with_oracle, {70});
}

Outcome convert(mg_context* context, const Input& input, bool with_oracle) {
  const std::vector<char> elements = random_elements(input, input.size, 1);
  Array in(context, static_cast<int64_t>(elements.size()), input.shift);
  in.write(elements);
  Outcome result;
  for (int32_t to = MG_F64; to <= MG_BF16; ++to) {
    const Array out(context, input.size * size_of(to), input.shift);
    int64_t overflowed = -1, expected_overflow = 0;
    CHECK_OK(mg_convert(context, input.dtype, to, input.size, in.data(), out.data(), &overflowed));
    const std::vector<char> found = out.read();
    append(result.bytes, found);
    append(result.bytes, &overflowed, 1);
    if (!with_oracle) continue;
    std::vector<char> expected(found.size());
    bool right = true;
    for (int64_t i = 0; i < input.size; ++i) {
      const double value = element(input.dtype, elements.data(), i);
      store(to, value, expected.data(), i);
      const int64_t at = i * size_of(to);
      if (std::isfinite(value) && std::isinf(element(to, expected.data(), i))) ++expected_overflow;
      right = right && (std::isnan(value) ? std::isnan(element(to, found.data(), i))
                                          : std::memcmp(expected.data() + at, found.data() + at,
                                                        static_cast<size_t>(size_of(to))) == 0);
    }
    raise(result.error, exactly(right && overflowed == expected_overflow));
  }
  return result;
}

Outcome nonfinite_count(mg_context* context, const Input& input, bool) {
  Outcome result;
  for (int planted = 0; planted < 3; ++planted) {
    std::vector<char> elements = random_elements(input, input.size, 3);
    if (input.size > 0 && planted > 0) store(input.dtype, kNaN, elements.data(), input.size - 1);
    if (input.size > 0 && planted > 1) store(input.dtype, -kInf, elements.data(), input.size / 2);
    Array in(context, static_cast<int64_t>(elements.size()), input.shift);
    in.write(elements);
    int64_t count = 0, first = -1, found[2] = {-9, -9};
    for (int64_t i = input.size - 1; i >= 0; --i) {
      if (std::isfinite(element(input.dtype, elements.data(), i))) continue;
      ++count;
      first = i;
    }
    CHECK_OK(mg_nonfinite_count(context, input.dtype, input.size, in.data(), &found[0], &found[1]));
    append(result.bytes, found, 2);
    raise(result.error, exactly(found[0] == count && found[1] == first));
  }
  return result;
}

// ---- The list ------------------------------------------------------------------------------------------

template <auto Entry, typename Signature = decltype(Entry)>
struct Spy;

template <auto Entry, typename Result, typename... Arguments>
struct Spy<Entry, Result (*Table::*)(Arguments...)> {
  static inline int64_t count = 0;
  static inline Result (*original)(Arguments...) = nullptr;
  static Result call(Arguments... arguments) {
    ++count;
    return original(arguments...);
  }
  static void install(Table* table) {
    count = 0;
    original = table->*Entry;
    table->*Entry = &call;
  }
  static int64_t calls() { return count; }
};

template <auto Entry>
Listed listing(const char* entry, const char* name, Same same, std::vector<int32_t> dtypes, std::vector<int64_t> sizes,
               std::vector<Scale> scales, Outcome (*run)(mg_context*, const Input&, bool)) {
  using S = Spy<Entry>;
  return {entry, name,        same,     std::move(dtypes), std::move(sizes), std::move(scales),
          run,   &S::install, &S::calls};
}

}  // namespace

const std::vector<Listed>& listed() {
  static const std::vector<int32_t> all = {MG_F64, MG_F32, MG_F16, MG_BF16}, real = {MG_F64, MG_F32}, f64 = {MG_F64};
  static const std::vector<int64_t> once = {1}, long_arrays = {0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 65, 257, 4099, 40001},
                                    axes = {1, 2, 3, 7, 16, 17, 33, 65, 257},
                                    squares = {1, 2, 3, 7, 15, 16, 17, 33, 65, 130},
                                    matchings = {1, 2, 3, 7, 15, 16, 17, 33, 65, 130},
                                    products = {0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 65, 300};
  static const std::vector<Scale> normal = {Scale::NORMAL}, numbers = {Scale::NORMAL, Scale::TINY, Scale::HUGE_VALUES},
                                  bits = {Scale::NORMAL, Scale::TINY, Scale::HUGE_VALUES, Scale::BITS};
  static const std::vector<int32_t> np_types = {MG_F32, MG_BF16};
  static const std::vector<int64_t> ranked = {1, 2, 3, 7, 16, 17, 65, 257, 4099, 70001};
  static const std::vector<int64_t> activations = {1, 2, 3, 7, 15, 16, 17, 33, 65, 257, 2049, 20001};
  static const std::vector<int64_t> sorted_rows = {1, 2, 3, 7, 16, 65, 257, 4099, 9001};
  static const std::vector<int64_t> complexes = {0, 1, 2, 3, 5, 12, 15, 16, 17, 25, 33};
  static const std::vector<Scale> small = {Scale::NORMAL, Scale::TINY};
  const Same every = Same::EVERY_LEVEL, each = Same::EACH_LEVEL;
#define ENTRY(name) FORM(name, name)
#define FORM(entry, name) listing<&Table::entry>(#entry, #name
  static const std::vector<Listed> list = {
      ENTRY(open), every, f64, once, normal, &context_life),
      ENTRY(close), every, f64, once, normal, &context_life),
      ENTRY(owns), every, f64, once, normal, &ownership),
      ENTRY(describe), each, f64, once, normal, &description),
      ENTRY(allocate), every, all, long_arrays, normal, &memory),
      ENTRY(release), every, all, long_arrays, normal, &memory),
      ENTRY(copy), every, all, long_arrays, bits, &copies),
      ENTRY(moments_create), every, real, once, normal, &moments_sums),
      ENTRY(moments_update), every, real, once, normal, &moments_sums),
      ENTRY(moments_series), every, real, squares, numbers, &moments_sums),
      ENTRY(moments_block), each, real, squares, numbers, &moments_blocks),
      ENTRY(gemm), each, real, products, numbers, &gemm),
      ENTRY(transpose), every, real, products, bits, &transpose),
      ENTRY(polar), each, f64, squares, numbers, &polar),
      ENTRY(cca_map), each, f64, squares, numbers, &cca_map),
      ENTRY(svd), each, f64, squares, numbers, &thin_svd),
      ENTRY(solve), each, f64, squares, numbers, &solve),
      ENTRY(symmetric_eigen), each, f64, squares, numbers, &symmetric_eigen),
      ENTRY(qr), each, f64, squares, numbers, &thin_qr),
      ENTRY(general_eigenvalues), each, f64, squares, numbers, &general_eigenvalues),
      ENTRY(divide), every, f64, axes, bits, &divide),
      ENTRY(norm), every, f64, axes, bits, &norm),
      ENTRY(row_products), every, f64, axes, numbers, &row_products),
      ENTRY(centre_columns), every, real, products, numbers, &listed_centre_columns),
      ENTRY(gram), each, real, products, numbers, &listed_gram),
      ENTRY(centre_gram), every, f64, squares, numbers, &listed_centre_gram),
      ENTRY(gram_rows), each, real, squares, numbers, &listed_gram_rows),
      ENTRY(gaussian), every, f64, long_arrays, numbers, &listed_gaussian),
      ENTRY(permuted_products), every, f64, squares, numbers, &listed_permuted_products),
      ENTRY(assignment), every, real, matchings, numbers, &assignment),
      FORM(assignment, assignment_warm), every, real, matchings, numbers, &assignment_warm),
      FORM(assignment, assignment_factors), every, real, matchings, numbers, &assignment_factors),
      ENTRY(assignment_batch), every, real, matchings, numbers, &assignment_batch),
      ENTRY(assignment_certify), every, real, matchings, numbers, &assignment_certify),
      FORM(assignment_certify, assignment_factors_certify), every, real, matchings, numbers, &assignment_factors_certify),
      ENTRY(apply_dense), each, all, axes, numbers, &apply_dense),
      ENTRY(apply_gather), every, all, axes, bits, &apply_gather),
      ENTRY(weighted_sum), every, all, long_arrays, bits, &weighted_sum),
      FORM(weighted_sum, weighted_sum_of_many), every, all, {1, 7, 17, 33, 257}, bits, &weighted_sum_of_many),
      ENTRY(convert), every, all, long_arrays, bits, &convert),
      ENTRY(nonfinite_count), every, all, long_arrays, bits, &nonfinite_count),
      ENTRY(task_merge), every, all, long_arrays, bits, &listed_task_merge),
      ENTRY(magnitude_counts), every, all, ranked, bits, &listed_magnitude_counts),
      ENTRY(magnitude_find), every, all, ranked, numbers, &listed_magnitude_find),
      ENTRY(ranked_drop), every, all, sorted_rows, numbers, &listed_ranked_drop),
      ENTRY(dot_products), every, all, long_arrays, numbers, &listed_dot_products),
      ENTRY(formula_merge), every, all, long_arrays, bits, &listed_formula_merge),
      ENTRY(formula_sums), every, all, long_arrays, numbers, &listed_formula_sums),
      ENTRY(row_divergences), every, all, long_arrays, numbers, &listed_fusion_scores),
      ENTRY(fusion_scores), every, all, long_arrays, numbers, &listed_fusion_scores),
      ENTRY(gamma_forward), every, real, activations, bits, &listed_gamma_forward),
      ENTRY(gamma_backward), every, real, activations, bits, &listed_gamma_backward),
      ENTRY(bandwidth), every, f64, long_arrays, normal, &listed_bandwidth),
      ENTRY(np_create), every, np_types, once, normal, &listed_np),
      ENTRY(np_theta), every, np_types, once, normal, &listed_np),
      ENTRY(np_state), every, np_types, once, normal, &listed_np),
      ENTRY(np_load), every, np_types, once, normal, &listed_np),
      ENTRY(np_resume), every, np_types, once, normal, &listed_np),
      ENTRY(np_step), every, np_types, long_arrays, small, &listed_np),
      ENTRY(rips), every, real, complexes, numbers, &listed_rips),
  };
#undef ENTRY
  return list;
}

std::vector<Input> inputs(const Listed& routine) {
  std::vector<Input> all;
  for (int32_t dtype : routine.dtypes) {
    for (int64_t size : routine.sizes) {
      // The two largest take most of the time: only ordinary numbers, and none in short.
      const size_t count = routine.sizes.size();
      const bool large = count > 2 && size >= routine.sizes[count - 2];
      if (large && in_short()) continue;
      for (Scale scale : routine.scales) {
        const bool magnitude = scale == Scale::TINY || scale == Scale::HUGE_VALUES;
        if ((large && scale != Scale::NORMAL) || (magnitude && in_short())) continue;
        // Threads as fibers under sanitizers take long: one of the two, 0 1 1 0 and so on, so that scales change, too.
        const bool one = kSanitized && cuda_standin();
        const int64_t turn = static_cast<int64_t>((all.size() + all.size() / 2) % 2);
        for (int64_t shift : {0, 1}) {
          if (!one || shift == turn) all.push_back({dtype, size, shift, scale});
        }
      }
    }
  }
  return all;
}

std::string text(const Listed& routine, const Input& input) {
  static const char* const types[] = {"F64", "F32", "F16", "BF16"};
  static const char* const scales[] = {"", ", tiny", ", huge", ", random bits"};
  return std::string(routine.name) + ", " + types[input.dtype] + ", size " + std::to_string(input.size) +
         scales[static_cast<int>(input.scale)] + (input.shift ? ", unaligned" : "");
}

}  // namespace check
