// SPDX-License-Identifier: Apache-2.0
// Persistent homology: goldens and refusals. Random distances against an oracle are in listed_topology.cpp.
#include <cmath>
#include <utility>

#include "test/check.h"

using namespace check;

namespace {

using Points = std::vector<std::pair<float, float>>;

Vector distances(const std::vector<Vector>& points) {
  Vector d;
  for (const Vector& a : points) {
    for (const Vector& b : points) {
      double squared = 0;
      for (size_t k = 0; k < a.size(); ++k) squared += (a[k] - b[k]) * (a[k] - b[k]);
      d.push_back(std::sqrt(squared));
    }
  }
  return d;
}

std::vector<Vector> polygon(int corners) {
  std::vector<Vector> points;
  for (int k = 0; k < corners; ++k) {
    const double angle = 2 * M_PI * k / corners;
    points.push_back({std::cos(angle), std::sin(angle)});
  }
  return points;
}

// Points of one degree, without those that live for no more than the rounding of distances that should be equal.
Points persistence(const std::vector<Vector>& points, int32_t degree) {
  Context context;
  const Vector exact = distances(points);
  const std::vector<float> d(exact.begin(), exact.end());
  const int64_t n = static_cast<int64_t>(points.size());
  mg_barcode* barcode = nullptr;
  CHECK_OK(mg_rips(context, MG_F32, n, -1, d.data(), n, -1, 2, &barcode));
  std::vector<float> flat(static_cast<size_t>(2 * mg_barcode_count(barcode, degree)));
  CHECK_OK(mg_barcode_points(barcode, degree, flat.data()));
  mg_barcode_destroy(barcode);
  Points found;
  for (size_t k = 0; k < flat.size(); k += 2) {
    if (flat[k + 1] > flat[k] * 1.000001F) found.push_back({flat[k], flat[k + 1]});
  }
  return found;
}

void check_near(const Points& found, const std::vector<std::pair<double, double>>& expected) {
  CHECK(found.size() == expected.size());
  for (size_t k = 0; k < std::min(found.size(), expected.size()); ++k) {
    CHECK(std::fabs(found[k].first - expected[k].first) < 1e-6);
    CHECK(found[k].second == expected[k].second || std::fabs(found[k].second - expected[k].second) < 1e-6);
  }
}

int32_t refused(const std::vector<double>& d, int64_t n) {
  Context context;
  mg_barcode* barcode = nullptr;
  return mg_rips(context, MG_F64, n, -1, d.data(), n, -1, 1, &barcode);
}

}  // namespace

TEST(rips_goldens) {
  const std::vector<Vector> square = {{0, 0}, {1, 0}, {1, 1}, {0, 1}};
  check_near(persistence(square, 0), {{0, 1}, {0, 1}, {0, 1}, {0, kInf}});
  check_near(persistence(square, 1), {{1, std::sqrt(2)}});
  check_near(persistence(polygon(6), 1), {{1, std::sqrt(3)}});
  check_near(persistence(polygon(12), 1), {{0.51763809, std::sqrt(3)}});
  const std::vector<Vector> octahedron = {{1, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {0, -1, 0}, {0, 0, 1}, {0, 0, -1}};
  check_near(persistence(octahedron, 1), {});
  check_near(persistence(octahedron, 2), {{std::sqrt(2), 2}});
  const std::vector<Vector> triangle = {{0, 0}, {3, 0}, {3, 4}};
  check_near(persistence(triangle, 0), {{0, 3}, {0, 4}, {0, kInf}});
  check_near(persistence(triangle, 1), {});
}

TEST(rips_says_its_threshold) {
  Context context;
  const float square[] = {0, 1, 2, 1, 0, 1, 2, 1, 0};
  for (const auto& [given, used] : {std::pair<double, double>{-1, 1}, {0.5, 0.5}, {INFINITY, 3.4028234663852886e38}}) {
    mg_barcode* barcode = nullptr;
    CHECK_OK(mg_rips(context, MG_F32, 3, -1, square, 3, given, 0, &barcode));
    CHECK(mg_barcode_threshold(barcode) == used);
    CHECK(mg_barcode_count(barcode, 0) == 3 && mg_barcode_count(barcode, 1) == 0);
    CHECK_FAILS(mg_barcode_points(barcode, 1, nullptr), MG_INVALID_ARGUMENT, "degree 1 of 1");
    mg_barcode_destroy(barcode);
  }
}

// On either side of what rounds up to the next number of F32.
TEST(rips_takes_the_larger_of_two_that_rounding_parts) {
  const double low = 1 + std::ldexp(1.0, -24), high = std::nextafter(low, 2.0);
  for (const std::vector<double>& d : {std::vector<double>{0, low, high, 0}, {0, high, low, 0}}) {
    Context context;
    mg_barcode* barcode = nullptr;
    CHECK_OK(mg_rips(context, MG_F64, 2, -1, d.data(), 2, -1, 1, &barcode));
    CHECK(mg_barcode_threshold(barcode) == 1 + std::ldexp(1.0, -23));
    mg_barcode_destroy(barcode);
  }
  CHECK_FAILS(refused({0, 1, 1 + 1e-11, 0}, 2), MG_INVALID_ARGUMENT,
              "distances[0, 1] is 1, but distances[1, 0] is 1.00000000001");
  CHECK_FAILS(refused({0, 1, kInf, 0}, 2), MG_INVALID_ARGUMENT, "distances[0, 1] is 1, but distances[1, 0] is inf");
}

TEST(rips_refuses_what_is_no_distance) {
  CHECK_FAILS(refused({0, 1, kNaN, 1, 0, 2, 1, 2, 0}, 3), MG_NUMERICAL, "distances[0, 2] is NaN");
  CHECK_FAILS(refused({0, 1, 3, 1, 0, 2, 3, 2.5, 0}, 3), MG_INVALID_ARGUMENT,
              "distances[1, 2] is 2, but distances[2, 1] is 2.5");
  CHECK_FAILS(refused({0, -1, -1, 0}, 2), MG_INVALID_ARGUMENT, "distances[0, 1] is -1; distances are >= 0");
  CHECK_FAILS(refused({0, 1, 1, 3}, 2), MG_INVALID_ARGUMENT,
              "distances[1, 1] is 3; a point has distance 0 to itself");
  CHECK_FAILS(refused({0, 1e39, 1e39, 0}, 2), MG_INVALID_ARGUMENT, "distances[0, 1] is 1e+39, beyond the range of F32");
}

TEST(rips_refuses_wrong_arguments) {
  Context context;
  const float d = 0;
  mg_barcode* barcode = nullptr;
  CHECK_FAILS(mg_rips(context, MG_F32, 65537, -1, &d, 65537, -1, 1, &barcode), MG_INVALID_ARGUMENT,
              "65537 points: simplices have 16 bits for a vertex, which 65536 points fill");
  CHECK_FAILS(mg_rips(context, MG_F32, 1, -1, &d, 1, kNaN, 1, &barcode), MG_INVALID_ARGUMENT, "threshold is NaN");
  CHECK_FAILS(mg_rips(context, MG_F32, 1, -1, &d, 1, -1, 3, &barcode), MG_INVALID_ARGUMENT,
              "degrees are 0 to 2, not 3");
  CHECK_FAILS(mg_rips(context, MG_F16, 1, -1, &d, 1, -1, 1, &barcode), MG_INVALID_ARGUMENT,
              "dtype must be MG_F64 or MG_F32, not 2");
  CHECK_FAILS(mg_rips(context, MG_F32, 2, -1, &d, 1, -1, 1, &barcode), MG_INVALID_ARGUMENT,
              "ldx = 1 is below the row length 2");
  CHECK_FAILS(mg_rips(context, MG_F32, 1, -2, &d, 1, -1, 1, &barcode), MG_INVALID_ARGUMENT,
              "k must be >= 0, or -1 for distances, not -2");
  CHECK(barcode == nullptr);
}

TEST(rips_refuses_points_that_have_no_distances) {
  Context context;
  mg_barcode* barcode = nullptr;
  const float points[] = {0, 1, 2, INFINITY}, far[] = {-3e38F, 3e38F, 0, 0};
  CHECK_FAILS(mg_rips(context, MG_F32, 2, 2, points, 2, -1, 1, &barcode), MG_NUMERICAL,
              "points[1, 1] is Inf; coordinates are finite");
  CHECK_FAILS(mg_rips(context, MG_F32, 2, 1, far, 1, -1, 1, &barcode), MG_INVALID_ARGUMENT,
              "points 0 and 1 are farther from each other than F32 tells");
  CHECK(barcode == nullptr);
}

// Each row of these has a distance that F32 cannot tell, and any thread may be the first to meet one.
TEST(rips_names_the_first_of_its_errors_on_any_number_of_threads) {
  std::vector<float> points;
  for (int64_t i = 0; i < 64; ++i) points.push_back(i % 2 == 0 ? -3e38F : 3e38F);
  mg_barcode* barcode = nullptr;
  for (int32_t threads : kThreadCounts) {
    Context context(threads);
    for (int32_t repeat = 0; repeat < 100; ++repeat) {
      CHECK_FAILS(mg_rips(context, MG_F32, 64, 1, points.data(), 1, -1, 1, &barcode), MG_INVALID_ARGUMENT,
                  "points 0 and 1 are farther from each other than F32 tells");
    }
  }
}

// More points than a register has elements, and more pivots than the table begins with.
TEST(rips_of_many_points_is_the_same_for_any_order) {
  constexpr int64_t kPoints = 150;
  Context context;
  const Vector values = gaussian(3 * kPoints, 3);
  std::vector<std::vector<float>> found;
  for (bool reversed : {false, true}) {
    std::vector<Vector> points;
    for (int64_t i = 0; i < kPoints; ++i) points.push_back({values[3 * i], values[3 * i + 1], values[3 * i + 2]});
    if (reversed) std::reverse(points.begin(), points.end());
    const Vector d = distances(points);
    mg_barcode* barcode = nullptr;
    CHECK_OK(mg_rips(context, MG_F64, kPoints, -1, d.data(), kPoints, -1, 2, &barcode));
    for (int32_t degree = 0; degree <= 2; ++degree) {
      found.emplace_back(static_cast<size_t>(2 * mg_barcode_count(barcode, degree)));
      CHECK_OK(mg_barcode_points(barcode, degree, found.back().data()));
    }
    mg_barcode_destroy(barcode);
  }
  CHECK(found[0].size() == 2 * kPoints && found[1].size() > 40 && !found[2].empty());
  for (size_t degree = 0; degree < 3; ++degree) CHECK(found[degree] == found[degree + 3]);
}
