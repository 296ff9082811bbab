// SPDX-License-Identifier: Apache-2.0
// Oracle of persistent homology: the boundary matrix of all simplices, reduced column by column as the definition says.
#include <map>

#include "test/listed_tools.h"

namespace check {

namespace {

using Points = std::vector<std::pair<float, float>>;

struct Face {
  float diameter;
  std::vector<int64_t> vertices;

  bool operator<(const Face& other) const {
    if (diameter != other.diameter) return diameter < other.diameter;
    if (vertices.size() != other.vertices.size()) return vertices.size() < other.vertices.size();
    return vertices < other.vertices;
  }
};

float enclosing_radius(const std::vector<float>& d, int64_t n) {
  float radius = INFINITY;
  for (int64_t i = 0; i < n; ++i) radius = std::min(radius, *std::max_element(&d[i * n], &d[i * n] + n));
  return radius;
}

std::vector<Face> faces(const std::vector<float>& d, int64_t n, float threshold, size_t most) {
  std::vector<Face> all, last;
  for (int64_t v = 0; v < n; ++v) last.push_back({0, {v}});
  for (size_t size = 1; size <= most; ++size) {
    all.insert(all.end(), last.begin(), last.end());
    std::vector<Face> next;
    for (const Face& face : last) {
      for (int64_t v = face.vertices.back() + 1; v < n; ++v) {
        Face larger = face;
        for (int64_t w : face.vertices) larger.diameter = std::max(larger.diameter, d[w * n + v]);
        larger.vertices.push_back(v);
        if (larger.diameter <= threshold && larger.diameter < INFINITY) next.push_back(larger);
      }
    }
    last = next;
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<Points> barcode(const std::vector<float>& d, int64_t n, float threshold, int32_t degrees) {
  const std::vector<Face> all = faces(d, n, threshold, static_cast<size_t>(degrees) + 2);
  std::map<std::vector<int64_t>, int64_t> place;
  for (size_t k = 0; k < all.size(); ++k) place[all[k].vertices] = static_cast<int64_t>(k);
  std::vector<std::vector<int64_t>> reduced(all.size());  // ascending; by their last row, the pivot
  std::vector<char> killed(all.size(), 0), negative(all.size(), 0);
  std::vector<Points> points(static_cast<size_t>(degrees) + 1);
  for (size_t k = 0; k < all.size(); ++k) {
    std::vector<int64_t> column;
    for (size_t out = 0; out < all[k].vertices.size() && all[k].vertices.size() > 1; ++out) {
      std::vector<int64_t> facet = all[k].vertices;
      facet.erase(facet.begin() + static_cast<int64_t>(out));
      column.push_back(place[facet]);
    }
    std::sort(column.begin(), column.end());
    while (!column.empty() && killed[column.back()]) {
      std::vector<int64_t> sum;
      const std::vector<int64_t>& other = reduced[column.back()];
      std::set_symmetric_difference(column.begin(), column.end(), other.begin(), other.end(), std::back_inserter(sum));
      column.swap(sum);
    }
    if (column.empty()) continue;
    const int64_t born = column.back();
    negative[k] = killed[born] = 1;
    reduced[born] = column;
    if (all[k].diameter > all[born].diameter) {
      points[all[born].vertices.size() - 1].push_back({all[born].diameter, all[k].diameter});
    }
  }
  for (size_t k = 0; k < all.size(); ++k) {
    const size_t degree = all[k].vertices.size() - 1;
    if (!killed[k] && !negative[k] && degree < points.size()) points[degree].push_back({all[k].diameter, INFINITY});
  }
  for (Points& each : points) std::sort(each.begin(), each.end());
  return points;
}

enum class Kind { REAL, TIED, ABSENT, POINTS };
constexpr int64_t kSpace = 3;  // coordinates of points

// Symmetric, as the list scales them: any numbers, few different ones, some without an edge.
Vector random_distances(const Input& input, Kind kind) {
  const int64_t n = input.size;
  const double scale = magnitude(MG_F32, input.scale);
  const Vector values = gaussian(n * n, 7 + static_cast<uint64_t>(kind));
  Vector d(static_cast<size_t>(n * n), 0);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < i; ++j) {
      const double value = std::fabs(values[i * n + j]);
      d[i * n + j] = d[j * n + i] = kind == Kind::TIED                    ? scale * std::floor(4 * value)
                                    : kind == Kind::ABSENT && value > 1.2 ? kInf
                                                                          : scale * value;
    }
  }
  return d;
}

std::vector<float> distances_of(const Vector& points, int64_t n) {
  std::vector<float> d(static_cast<size_t>(n * n), 0);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double squared = 0;
      for (int64_t k = 0; k < kSpace; ++k) {
        const double difference = points[kSpace * i + k] - points[kSpace * j + k];
        squared += difference * difference;
      }
      d[i * n + j] = static_cast<float>(std::sqrt(squared));
    }
  }
  return d;
}

}  // namespace

Outcome listed_rips(mg_context* context, const Input& input, bool with_oracle) {
  Outcome result;
  const int64_t n = input.size;
  for (Kind kind : {Kind::REAL, Kind::TIED, Kind::ABSENT, Kind::POINTS}) {
    const bool points = kind == Kind::POINTS;
    const Array in(context, input.dtype,
                   points ? scaled(gaussian(kSpace * n, 11), magnitude(MG_F32, input.scale))
                          : random_distances(input, kind),
                   input.shift);
    const Vector rounded = in.values(input.dtype);
    const std::vector<float> d = points ? distances_of(rounded, n) : std::vector<float>(rounded.begin(), rounded.end());
    const float radius = enclosing_radius(d, n);
    const int32_t degrees = n <= 17 ? 2 : 1;
    // Cut early, and after all that happens.
    for (double threshold : {-1.0, 0.6 * magnitude(MG_F32, input.scale), static_cast<double>(INFINITY)}) {
      mg_barcode* found = nullptr;
      const int64_t k = points ? kSpace : -1, ld = points ? kSpace : std::max<int64_t>(n, 1);
      CHECK_OK(mg_rips(context, input.dtype, n, k, in.data(), ld, threshold, degrees, &found));
      if (!found) return {{}, kInf};
      std::vector<Points> expected;
      const float cut = threshold < 0 ? radius : static_cast<float>(threshold);
      if (with_oracle) expected = barcode(d, n, cut, degrees);
      for (int32_t degree = 0; degree <= degrees; ++degree) {
        std::vector<float> flat(static_cast<size_t>(2 * mg_barcode_count(found, degree)));
        CHECK_OK(mg_barcode_points(found, degree, flat.data()));
        append(result.bytes, flat.data(), flat.size());
        if (!with_oracle) continue;
        Points pairs;
        for (size_t p = 0; p < flat.size(); p += 2) pairs.push_back({flat[p], flat[p + 1]});
        raise(result.error, exactly(pairs == expected[static_cast<size_t>(degree)]));
      }
      mg_barcode_destroy(found);
    }
  }
  return result;
}

}  // namespace check
