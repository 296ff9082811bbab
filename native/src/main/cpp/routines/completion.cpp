// SPDX-License-Identifier: Apache-2.0
// The rule for rank-deficient inputs: on the null space the map is the nearest orthogonal one to a
// preferred map P. The result does not depend on the bases U_0, V_0 that LAPACK happens to return.
#include "routines/completion.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "routines/dense.h"
#include "routines/product.h"
#include "routines/routines.h"
#include "runtime/buffer.h"
#include "runtime/error.h"

namespace merganser {

namespace {

constexpr double kSingular = 1e-6;

// A = left diag(sigma) right, m x m.
struct Small {
  Buffer<double> left, sigma, right;
  int64_t m;

  explicit Small(int64_t size) : left(size, size), sigma(size), right(size, size), m(size) {}
  int64_t rank() const {
    return std::count_if(sigma.data(), sigma.data() + m, [](double s) { return s >= kSingular; });
  }
};

// Decomposes U_0^T P V_0, with row k of pvt the k-th null vector of V mapped by P.
Small null_product(mg_context* context, int64_t n, int64_t m, const double* u0, const double* pvt) {
  Small small(m);
  Buffer<double> product(m, m);
  multiply<double>(context, m, m, n, 1, by_rows(u0, n).transposed(), by_rows(pvt, n).transposed(), 0,
                   by_rows(product.data(), m));
  thin_svd(context, m, m, product.data(), small.left.data(), small.sigma.data(), small.right.data());
  return small;
}

// q += U_0 (left_r right_r) V_0^T over the leading `rank` singular directions.
void add_polar(mg_context* context, int64_t n, const Small& small, int64_t rank, const double* u0, const double* v0t,
               double* q) {
  Buffer<double> w(small.m, small.m), uw(n, small.m);
  multiply<double>(context, small.m, small.m, rank, 1, by_rows(small.left.data(), small.m),
                   by_rows(small.right.data(), small.m), 0, by_rows(w.data(), small.m));
  multiply<double>(context, n, small.m, small.m, 1, by_rows(u0, n), by_rows(w.data(), small.m), 0,
                   by_rows(uw.data(), small.m));
  multiply<double>(context, n, n, small.m, 1, by_rows(uw.data(), small.m), by_rows(v0t, n), 1, by_rows(q, n));
}

// An orthonormal basis of the space spanned by the columns of `basis` [n x m] that depends on the space only: the
// projections of the unit vectors e_0, e_1, ... orthogonalised in index order, leaving out those that add little. The
// squared norms of the residual rows sum to the number of directions left, so some row always passes.
Buffer<double> index_ordered(int64_t n, int64_t m, const Buffer<double>& basis) {
  Buffer<double> residual(n, m), ordered(n, m), direction(m);
  std::copy_n(basis.data(), n * m, residual.data());
  const auto dot = [m](const double* x, const double* y) {
    double sum = 0;
    for (int64_t k = 0; k < m; ++k) sum += x[k] * y[k];
    return sum;
  };
  for (int64_t c = 0; c < m; ++c) {
    const double enough = 0.5 * static_cast<double>(m - c) / static_cast<double>(n);
    int64_t i = 0;
    while (i < n && dot(&residual[i * m], &residual[i * m]) < enough) ++i;
    if (i == n) fail(MG_INTERNAL, "no direction left in the null space");
    const double norm = std::sqrt(dot(&residual[i * m], &residual[i * m]));
    for (int64_t k = 0; k < m; ++k) direction[k] = residual[i * m + k] / norm;
    for (int64_t r = 0; r < n; ++r) {
      ordered[r * m + c] = dot(&basis[r * m], direction.data());
      // Twice: what rounding leaves of the direction would grow in later, smaller residuals.
      for (int pass = 0; pass < 2; ++pass) {
        const double along = dot(&residual[r * m], direction.data());
        for (int64_t k = 0; k < m; ++k) residual[r * m + k] -= along * direction[k];
      }
    }
  }
  return ordered;
}

// q += pairing of the directions that P leaves undetermined, in index order.
void add_index_order(mg_context* context, int64_t n, const Small& small, int64_t rank, const double* u0,
                     const double* v0t, double* q) {
  const int64_t left = small.m - rank;
  Buffer<double> u(n, left), v(n, left);
  multiply<double>(context, n, left, small.m, 1, by_rows(u0, n), by_rows(small.left.data() + rank, small.m), 0,
                   by_rows(u.data(), left));
  multiply<double>(context, n, left, small.m, 1, by_rows(v0t, n).transposed(),
                   by_rows(small.right.data() + rank * small.m, small.m).transposed(), 0, by_rows(v.data(), left));
  const Buffer<double> us = index_ordered(n, left, u), vs = index_ordered(n, left, v);
  multiply<double>(context, n, n, left, 1, by_rows(us.data(), left), by_rows(vs.data(), left).transposed(), 1,
                   by_rows(q, n));
}

// Rows of V_0^T with the features permuted: (P V_0)[r, k] = V_0[perm[r], k].
Buffer<double> permuted(mg_context* context, int64_t n, int64_t m, const double* v0t, const double* preference,
                        int64_t ld) {
  std::vector<int64_t> perm(n);
  Buffer<double> row_dual(n), column_dual(n), result(m, n);
  double value;
  const mg_costs costs{MG_F64, n, n, -1, preference, ld, nullptr, 0};
  assignment(context, &costs, true, false, perm.data(), row_dual.data(), column_dual.data(), &value);
  for (int64_t k = 0; k < m; ++k) {
    for (int64_t r = 0; r < n; ++r) result[k * n + r] = v0t[k * n + perm[r]];
  }
  return result;
}

}  // namespace

int64_t numerical_rank(int64_t n, const double* sigma) {
  return std::count_if(sigma, sigma + n, [&](double s) { return s > kSingular * sigma[0]; });
}

int32_t completed_polar(mg_context* context, int64_t n, int64_t rank, const double* u, const double* vt,
                        const double* preference, int64_t ld_preference, double* q) {
  multiply<double>(context, n, n, rank, 1, by_rows(u, n), by_rows(vt, n), 0, by_rows(q, n));
  if (rank == n) return MG_COMPLETION_NONE;
  const int64_t m = n - rank;
  const double* u0 = u + rank;
  const double* v0t = vt + rank * n;
  const Small identity = null_product(context, n, m, u0, v0t);
  if (identity.rank() == m) {
    add_polar(context, n, identity, m, u0, v0t, q);
    return MG_COMPLETION_IDENTITY;
  }
  const Buffer<double> pvt = permuted(context, n, m, v0t, preference, ld_preference);
  const Small matched = null_product(context, n, m, u0, pvt.data());
  const int64_t determined = matched.rank();
  add_polar(context, n, matched, determined, u0, v0t, q);
  if (determined == m) return MG_COMPLETION_ASSIGNMENT;
  add_index_order(context, n, matched, determined, u0, v0t, q);
  return MG_COMPLETION_INDEX;
}

}  // namespace merganser
