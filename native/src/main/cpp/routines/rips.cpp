// SPDX-License-Identifier: Apache-2.0
// Persistent homology of Vietoris-Rips filtrations over Z/2, by cohomology: U. Bauer, Ripser: efficient computation of
// Vietoris-Rips persistence barcodes, 2021 (clearing, apparent and emergent pairs, implicit coboundaries); V. de Silva,
// D. Morozov, M. Vejdemo-Johansson, Dualities in persistent (co)homology, 2011.
//
// Of the n^2 / 2 edges all but those of the relative neighbourhood graph, about 1.5 n in a cube, are in apparent pairs:
// each is one search of two rows from their ends, and there is no list of edges to sort. An edge in a pair closes a
// cycle, so that the others are enough for the components, too.
#include "routines/rips.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>

#include "routines/routines.h"
#include "runtime/error.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Calls find(i, out) for every largest vertex i; what they found, in decreasing order of the filtration.
template <typename Find>
std::vector<Cell> decreasing(mg_context* context, int64_t n, const Find& find) {
  std::vector<std::vector<Cell>> found(static_cast<size_t>(n));
  parallel_for(context, n, [&](int64_t item, int32_t) {
    const int64_t i = n - 1 - item;  // those with the most first
    find(i, found[static_cast<size_t>(i)]);
  });
  std::vector<Cell> all;
  for (const std::vector<Cell>& each : found) all.insert(all.end(), each.begin(), each.end());
  std::sort(all.begin(), all.end(), [](const Cell& a, const Cell& b) { return before(b, a); });
  return all;
}

// Edges in no apparent pair.
std::vector<Cell> edges(mg_context* context, const Distances& d, float threshold) {
  return decreasing(context, d.n(), [&](int64_t i, std::vector<Cell>& out) {
    for (int64_t j = 0; j < i; ++j) {
      const Cell edge{d.row(i)[j], static_cast<Simplex>(i << 16 | j)};
      if (edge.diameter > threshold || d.apparent<2>(edge, d.first_cofacet<2>(edge))) continue;
      out.push_back(edge);
    }
  });
}

// Triangles in no pair with an edge and no apparent one with a tetrahedron.
std::vector<Cell> triangles(mg_context* context, const Distances& d, float threshold, const Pivots& of_edges) {
  return decreasing(context, d.n(), [&](int64_t i, std::vector<Cell>& out) {
    check_cancelled(context);
    for (int64_t j = 0; j < i; ++j) {
      if (d.row(i)[j] > threshold) continue;
      for (int64_t k = 0; k < j; ++k) {
        const float diameter = std::max({d.row(i)[j], d.row(i)[k], d.row(j)[k]});
        const Cell triangle{diameter, static_cast<Simplex>(i << 32 | j << 16 | k)};
        Cell edge;
        if (diameter > threshold || d.apparent<3>(triangle, d.first_cofacet<3>(triangle)) ||
            d.apparent_facet<2>(triangle, &edge) || of_edges.find(triangle.simplex) >= 0) {
          continue;
        }
        out.push_back(triangle);
      }
    }
  });
}

// Components by the elder rule, all born at 0; the edges that close a cycle stay, in their order.
void merge_components(int64_t n, std::vector<Cell>& edges, std::vector<float>& points) {
  std::vector<int32_t> parent(static_cast<size_t>(n));
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](int64_t v) {
    while (parent[v] != v) v = parent[v] = parent[parent[v]];
    return v;
  };
  int64_t components = n;
  std::vector<char> merging(edges.size(), 0);
  for (size_t e = edges.size(); e-- > 0;) {
    const int64_t a = root(vertex(edges[e].simplex, 0)), b = root(vertex(edges[e].simplex, 1));
    if (a == b) continue;
    parent[std::max(a, b)] = static_cast<int32_t>(std::min(a, b));
    merging[e] = 1;
    --components;
    if (edges[e].diameter > 0) points.insert(points.end(), {0, edges[e].diameter});
  }
  for (; components > 0; --components) points.insert(points.end(), {0, kInfinity});
  size_t kept = 0;
  for (size_t e = 0; e < edges.size(); ++e) {
    if (!merging[e]) edges[kept++] = edges[e];
  }
  edges.resize(kept);
}

void sort_points(std::vector<float>& points) {
  std::vector<std::pair<float, float>> pairs;
  for (size_t k = 0; k < points.size(); k += 2) pairs.emplace_back(points[k], points[k + 1]);
  std::sort(pairs.begin(), pairs.end());
  for (size_t k = 0; k < pairs.size(); ++k) {
    points[2 * k] = pairs[k].first;
    points[2 * k + 1] = pairs[k].second;
  }
}

}  // namespace

void rips(mg_context* context, int32_t dtype, int64_t n, int64_t k, const void* x, int64_t ldx, double threshold,
          int32_t max_degree, mg_barcode** out) {
  auto barcode = std::make_unique<mg_barcode>();
  barcode->points.resize(static_cast<size_t>(max_degree) + 1);
  if (n > 0) {
    const Distances d(context, dtype, n, k, x, ldx);
    const double cut = threshold < 0 ? d.enclosing_radius() : threshold;
    barcode->threshold = static_cast<float>(std::min<double>(cut, std::numeric_limits<float>::max()));
    std::vector<Cell> columns = edges(context, d, barcode->threshold);
    merge_components(n, columns, barcode->points[0]);
    if (max_degree >= 1) {
      const Pivots pivots = reduce<2>(context, d, barcode->threshold, columns, barcode->points[1]);
      if (max_degree >= 2) {
        columns = triangles(context, d, barcode->threshold, pivots);
        reduce<3>(context, d, barcode->threshold, columns, barcode->points[2]);
      }
    }
    for (std::vector<float>& points : barcode->points) sort_points(points);
  }
  *out = barcode.release();
}

}  // namespace merganser
