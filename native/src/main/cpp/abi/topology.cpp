// SPDX-License-Identifier: Apache-2.0
// The exported functions of persistent homology.
#include <algorithm>
#include <cmath>

#include "abi/checks.h"
#include "merganser.h"
#include "routines/rips.h"

using namespace merganser;

namespace {

void check_barcode(const mg_barcode* barcode, int32_t degree) {
  MG_REQUIRE(barcode, "barcode is NULL");
  MG_REQUIRE(degree >= 0 && degree < static_cast<int32_t>(barcode->points.size()), "degree %d of %d", degree,
             static_cast<int>(barcode->points.size()));
}

}  // namespace

extern "C" {

int32_t mg_rips(mg_context* context, int32_t dtype, int64_t n, int64_t k, const void* x, int64_t ldx,
                double threshold, int32_t max_degree, mg_barcode** out) {
  auto check = [&] {
    check_real(dtype);
    check_size(n, "n");
    MG_REQUIRE(n <= kMostPoints, "%lld points: simplices have 16 bits for a vertex, which %lld points fill", Long{n},
               Long{kMostPoints});
    MG_REQUIRE(k >= -1, "k must be >= 0, or -1 for distances, not %lld", Long{k});
    check_leading(ldx, k < 0 ? n : k, "ldx");
    MG_REQUIRE(!std::isnan(threshold), "threshold is NaN");
    MG_REQUIRE(max_degree >= 0 && max_degree <= 2, "degrees are 0 to 2, not %d", max_degree);
    check_pointer(out, "out");
    if (n > 0 && k != 0) check_array(context, "rips", x, "x");
  };
  return dispatch(check, &Table::rips, context, dtype, n, k, x, ldx, threshold, max_degree, out);
}

void mg_barcode_destroy(mg_barcode* barcode) { delete barcode; }

double mg_barcode_threshold(const mg_barcode* barcode) { return barcode ? barcode->threshold : 0; }

int64_t mg_barcode_count(const mg_barcode* barcode, int32_t degree) {
  const bool has = barcode && degree >= 0 && degree < static_cast<int32_t>(barcode->points.size());
  return has ? static_cast<int64_t>(barcode->points[degree].size() / 2) : 0;
}

int32_t mg_barcode_points(const mg_barcode* barcode, int32_t degree, float* out) {
  return guard([&] {
    check_barcode(barcode, degree);
    const std::vector<float>& points = barcode->points[degree];
    if (!points.empty()) check_pointer(out, "out");
    std::copy(points.begin(), points.end(), out);
  });
}

}  // extern "C"
