// SPDX-License-Identifier: Apache-2.0
// Oracles of linear algebra.
#include <algorithm>

#include "test/listed_tools.h"

namespace check {

namespace {

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

}  // namespace

Outcome listed_gemm(mg_context* context, const Input& input, bool with_oracle) {
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
Outcome listed_transpose(mg_context* context, const Input& input, bool) {
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

namespace {

// q is orthogonal, q^T a is symmetric with the sum of the singular values as trace: only the polar factor is.
double polar_error(int32_t dtype, int64_t n, const Vector& q, const Vector& a, double largest, double nuclear) {
  const Vector h = multiply(n, n, n, q, true, a, false);
  double asymmetry = 0, trace = 0, error = 0;
  for (int64_t i = 0; i < n; ++i) {
    trace += h[i * n + i];
    for (int64_t j = 0; j < n; ++j) raise(asymmetry, std::fabs(h[i * n + j] - h[j * n + i]));
  }
  const double exact = 1e-12 * static_cast<double>(n), orthogonal = dtype == MG_F64 ? exact : 1e-8,
               allowed = dtype == MG_F64 ? exact : 1e-4;
  raise(error, largest_difference(multiply(n, n, n, q, true, q, false), identity(n)) / orthogonal);
  raise(error, asymmetry / (allowed * largest));
  raise(error, std::fabs(trace - nuclear) / (allowed * nuclear));
  return error;
}

// Rows of `ld` elements, of which the first n are those of a.
Vector with_gaps(int64_t n, int64_t ld, const Vector& a) {
  Vector all(a.size() / static_cast<size_t>(n) * static_cast<size_t>(ld), kNaN);
  for (size_t i = 0; i < a.size(); ++i) all[i / n * ld + i % n] = a[i];
  return all;
}

bool is_full(const mg_polar_report& report, int64_t n) {
  return report.rank == n && report.completion == MG_COMPLETION_NONE;
}

}  // namespace

// One with its singular values; then three at once without, of rows turned and multiplied, which does to singular
// values what is known.
Outcome listed_polar(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size, shift = whole(input.shift), count = 3, lda = n + 1, ldq = n + 2;
  const int32_t dtype = input.dtype;
  const double size = magnitude(MG_F64, input.scale), allowed = dtype == MG_F64 ? 1e-12 * static_cast<double>(n) : 1e-4;
  const Vector a = gaussian(n * n, 5);
  const Array in(context, MG_F64, scaled(a, size), shift), q(context, n * n * 8, shift), sigma(context, n * 8, shift);
  mg_polar_report report{}, reports[count] = {};
  CHECK_OK(mg_polar(context, dtype, 1, n, in.doubles(), n, q.doubles(), n, sigma.doubles(), &report));
  Vector three;
  for (int64_t k = 0; k < count; ++k) {
    for (int64_t i = 0; i < n * n; ++i) three.push_back(static_cast<double>(k + 1) * a[(i + k * n) % (n * n)]);
  }
  const Array all(context, MG_F64, with_gaps(n, lda, scaled(three, size)), shift),
      qs(context, MG_F64, Vector(static_cast<size_t>(count * n * ldq), 7.0), shift);
  CHECK_OK(mg_polar(context, dtype, count, n, all.doubles(), lda, qs.doubles(), ldq, nullptr, reports));
  Outcome result;
  for (const Array* each : {&q, &sigma, &qs}) append(result.bytes, each->read());
  if (!with_oracle) return result;
  const Vector values = scaled(sigma.values(MG_F64), 1 / size), found = qs.values(MG_F64);
  double nuclear = 0;
  for (int64_t i = 0; i < n; ++i) {
    nuclear += values[i];
    raise(result.error, exactly(values[i] >= 0 && (i == 0 || values[i] <= values[i - 1])));
  }
  raise(result.error, polar_error(dtype, n, q.values(MG_F64), a, values[0], nuclear));
  raise(result.error, std::fabs(report.sum / size - nuclear) / (allowed * nuclear) + exactly(is_full(report, n)));
  for (int64_t k = 0; k < count; ++k) {
    Vector factor;
    for (int64_t i = 0; i < n * ldq; ++i) {
      const double each = found[k * n * ldq + i];
      if (i % ldq < n) factor.push_back(each);
      if (i % ldq >= n) raise(result.error, exactly(each == 7));
    }
    const Vector own(three.begin() + k * n * n, three.begin() + (k + 1) * n * n);
    const double by = static_cast<double>(k + 1);
    raise(result.error, polar_error(dtype, n, factor, own, by * values[0], by * nuclear));
    raise(result.error, std::fabs(reports[k].sum / size / by - nuclear) / (allowed * nuclear));
    raise(result.error, exactly(is_full(reports[k], n)));
  }
  return result;
}

// u and vt are orthonormal, sigma decreases, and the product of the three is a: wide, square and tall.
Outcome listed_thin_svd(mg_context* context, const Input& input, bool with_oracle) {
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
Outcome listed_symmetric_eigen(mg_context* context, const Input& input, bool with_oracle) {
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
Outcome listed_thin_qr(mg_context* context, const Input& input, bool with_oracle) {
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
Outcome listed_general_eigenvalues(mg_context* context, const Input& input, bool with_oracle) {
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
Outcome listed_solve(mg_context* context, const Input& input, bool with_oracle) {
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

namespace {

// T Y T^T = X, T Tinv = I, Tinv Sxy symmetric with Y^-1 Tinv Sxy having the sum of the correlations as trace.
double cca_error(int32_t dtype, int64_t n, const Covariances& p, double gamma, const Vector& map, const Vector& inverse,
                 double sum) {
  Vector x = p.xx, y = p.yy;
  for (int64_t i = 0; i < n; ++i) {
    x[i * n + i] += gamma;
    y[i * n + i] += gamma;
  }
  const double exact = dtype == MG_F64 ? 1e-9 : 1e-7, allowed = dtype == MG_F64 ? 1e-9 : 1e-4;
  double error = 0;
  const Vector back = multiply(n, n, n, multiply(n, n, n, map, false, y, false), false, map, true);
  raise(error, largest_difference(back, x) / (exact * largest_magnitude(x)));
  raise(error, largest_difference(multiply(n, n, n, map, false, inverse, false), identity(n)) / exact);
  const Vector h = multiply(n, n, n, inverse, false, p.xy, false);
  const Vector root = solve_plain(n, y, h);
  double asymmetry = 0, trace = 0;
  for (int64_t i = 0; i < n; ++i) {
    trace += root[i * n + i];
    for (int64_t j = 0; j < n; ++j) raise(asymmetry, std::fabs(h[i * n + j] - h[j * n + i]));
  }
  raise(error, asymmetry / (allowed * largest_magnitude(h)));
  raise(error, std::fabs(trace - sum) / (allowed * static_cast<double>(n)));
  return error;
}

}  // namespace

// One map with its correlations; then three at once without.
Outcome listed_cca_map(mg_context* context, const Input& input, bool with_oracle) {
  constexpr int64_t kCount = 3;
  const int64_t n = input.size, shift = whole(input.shift);
  const int32_t dtype = input.dtype;
  const Covariances p = covariances(n, 40 * n, 0.5, static_cast<uint64_t>(n));
  // The correlations do not change with the scales of x and y, T changes with their ratio.
  const double sx = magnitude(MG_F64, input.scale, 3), sy = 1 / sx, gammas[kCount] = {0.1, 0.5, 0.02};
  double gammas_x[kCount], gammas_y[kCount];
  for (int k = 0; k < kCount; ++k) {
    gammas_x[k] = gammas[k] * sx;
    gammas_y[k] = gammas[k] * sy;
  }
  const Array sxx(context, MG_F64, scaled(p.xx, sx), shift), syy(context, MG_F64, scaled(p.yy, sy), shift),
      sxy(context, MG_F64, p.xy, shift), t(context, n * n * 8, shift), tinv(context, n * n * 8, shift),
      correlations(context, n * 8, shift), ts(context, kCount * n * n * 8, shift),
      tinvs(context, kCount * n * n * 8, shift);
  mg_cca_report report{}, reports[kCount] = {};
  CHECK_OK(mg_cca_map(context, dtype, n, sxx.doubles(), syy.doubles(), sxy.doubles(), 1, gammas_x, gammas_y,
                      t.doubles(), tinv.doubles(), correlations.doubles(), &report));
  CHECK_OK(mg_cca_map(context, dtype, n, sxx.doubles(), syy.doubles(), sxy.doubles(), kCount, gammas_x, gammas_y,
                      ts.doubles(), tinvs.doubles(), nullptr, reports));
  Outcome result;
  for (const Array* each : {&t, &tinv, &correlations, &ts, &tinvs}) append(result.bytes, each->read());
  if (!with_oracle) return result;
  const auto is_whole = [&](const mg_cca_report& r) { return r.rank == n && r.clipped_x == 0 && r.clipped_y == 0; };
  double sum = 0;
  for (double each : correlations.values(MG_F64)) sum += each;
  const Vector map = scaled(t.values(MG_F64), sy), inverse = scaled(tinv.values(MG_F64), sx);
  raise(result.error, cca_error(dtype, n, p, gammas[0], map, inverse, sum));
  raise(result.error, std::fabs(report.sum - sum) / (1e-9 * static_cast<double>(n)) + exactly(is_whole(report)));
  const Vector maps = scaled(ts.values(MG_F64), sy), inverses = scaled(tinvs.values(MG_F64), sx);
  for (int64_t k = 0; k < kCount; ++k) {
    const auto own = [&](const Vector& all) { return Vector(all.begin() + k * n * n, all.begin() + (k + 1) * n * n); };
    raise(result.error, cca_error(dtype, n, p, gammas[k], own(maps), own(inverses), reports[k].sum));
    raise(result.error, exactly(is_whole(reports[k])));
  }
  return result;
}

}  // namespace check
