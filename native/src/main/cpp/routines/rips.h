// SPDX-License-Identifier: Apache-2.0
// The filtration of Vietoris and Rips, and how its columns are reduced. See rips.cpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "merganser.h"
#include "runtime/buffer.h"
#include "runtime/isa.h"

struct mg_barcode {
  float threshold = 0;
  std::vector<std::vector<float>> points;  // of each degree: birth, death
};

namespace merganser {

// Up to 4 vertices in 16 bits each, the largest first: such numbers order as combinatorial indices do, and give their
// vertices and faces by shifts.
using Simplex = uint64_t;
constexpr int64_t kMostPoints = 65536;

inline int64_t vertex(Simplex s, int place) { return static_cast<int64_t>(s >> 16 * place & 0xffff); }
inline Simplex without(Simplex s, int place) {
  const Simplex below = (Simplex{1} << 16 * place) - 1;
  return (s & below) | (s >> 16 * place >> 16 << 16 * place);
}
template <int kVertices>
Simplex with(Simplex s, int64_t v) {
  int place = 0;
  while (place < kVertices && vertex(s, place) < v) ++place;
  const Simplex below = (Simplex{1} << 16 * place) - 1;
  return (s & below) | ((s >> 16 * place << 16 | static_cast<Simplex>(v)) << 16 * place);
}

struct Cell {
  float diameter;
  Simplex simplex;
};

// The order of the filtration among simplices of one dimension.
inline bool before(const Cell& a, const Cell& b) {
  return a.diameter != b.diameter ? a.diameter < b.diameter : a.simplex > b.simplex;
}

// Distances in F32, checked, with +Inf on the diagonal and beyond the last column.
class Distances {
 public:
  // Those of mg_rips.
  Distances(mg_context* context, int32_t dtype, int64_t n, int64_t k, const void* x, int64_t ldx);

  int64_t n() const { return n_; }
  int64_t stride() const { return stride_; }
  const float* row(int64_t i) const { return values_.data() + i * stride_; }
  // min over i of max over j: beyond it the complex is a cone, and nothing changes.
  float enclosing_radius() const;

  template <int kVertices>
  void rows(Simplex s, const float** out) const {
    for (int k = 0; k < kVertices; ++k) out[k] = row(vertex(s, k));
  }
  template <int kVertices>
  float diameter(Simplex s) const {
    float largest = 0;
    for (int k = 1; k < kVertices; ++k) {
      const float* const distance = row(vertex(s, k));
      for (int l = 0; l < k; ++l) largest = std::max(largest, distance[vertex(s, l)]);
    }
    return largest;
  }

  // The vertex that makes the first cofacet of the cell's diameter, or -1.
  template <int kVertices>
  int64_t first_cofacet(const Cell& cell) const {
    const float* at[kVertices];
    rows<kVertices>(cell.simplex, at);
    return kernels_.last_within(at, kVertices, cell.diameter, stride_);
  }

  // An apparent pair: the cofacet is the cell's first one of equal diameter, the cell is the last such facet of it. Is
  // it one with the cofacet that first_cofacet found? Facets that lack a larger vertex come later.
  template <int kVertices>
  bool apparent(const Cell& cell, int64_t found) const {
    if (found < 0) return false;
    const Simplex cofacet = with<kVertices>(cell.simplex, found);
    for (int k = kVertices; vertex(cofacet, k) > found; --k) {
      if (diameter<kVertices>(without(cofacet, k)) == cell.diameter) return false;
    }
    return true;
  }
  // The same from the side of the cofacet: its partner of kVertices, if it has one.
  template <int kVertices>
  bool apparent_facet(const Cell& cofacet, Cell* facet) const {
    for (int k = kVertices; k >= 0; --k) {
      *facet = {cofacet.diameter, without(cofacet.simplex, k)};
      if (diameter<kVertices>(facet->simplex) != cofacet.diameter) continue;
      return first_cofacet<kVertices>(*facet) == vertex(cofacet.simplex, k);
    }
    return false;
  }

  const TopologyKernels& loops() const { return kernels_; }

 private:
  int64_t n_, stride_;
  Buffer<float> values_;
  const TopologyKernels& kernels_;
};

// Which column a simplex is the pivot of: open addressing.
class Pivots {
 public:
  void put(Simplex pivot, int32_t column);
  int32_t find(Simplex pivot) const;  // -1 where it is none

 private:
  struct Slot {
    Simplex pivot = 0;  // 0 is no simplex of two vertices or more
    int32_t column = 0;
  };
  size_t place(Simplex pivot) const;
  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  size_t used_ = 0;
};

// Reduces columns, cells of kVertices = 2 or 3 in decreasing order without those of apparent pairs: adds the points of
// degree kVertices - 1 and returns the pivots.
template <int kVertices>
Pivots reduce(mg_context* context, const Distances& distances, float threshold, const std::vector<Cell>& columns,
              std::vector<float>& points);

}  // namespace merganser
