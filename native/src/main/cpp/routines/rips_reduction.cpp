// SPDX-License-Identifier: Apache-2.0
// Reduction of a coboundary matrix over Z/2 that is never stored: which columns add up to a reduced one is, and their
// cofacets are read off the rows of distances. Most cofacets of a cell lie far behind the pivots that a reduction goes
// through. So a coboundary is known up to a diameter, the horizon, which moves on when nothing is left before it; a
// register of cofacets behind it costs a comparison.
#include <algorithm>
#include <cmath>
#include <limits>

#include "routines/rips.h"
#include "runtime/context.h"
#include "runtime/error.h"

namespace merganser {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kWiden = 1.125F;  // the horizon over the smallest diameter behind the one before

// Of heaps whose first element is the first of the filtration.
bool after(const Cell& a, const Cell& b) { return before(b, a); }

// Equal cells cancel in pairs.
void cancel(std::vector<Cell>& cells) {
  std::sort(cells.begin(), cells.end(), before);
  size_t kept = 0;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (kept > 0 && cells[kept - 1].simplex == cells[i].simplex) {
      --kept;
    } else {
      cells[kept++] = cells[i];
    }
  }
  cells.resize(kept);
}

// The coboundary of a chain.
template <int kVertices>
class Coboundary {
 public:
  Coboundary(const Distances& distances, float threshold)
      : distances_(distances),
        threshold_(threshold),
        vertices_(distances.stride()),
        values_(distances.stride()) {}

  void start(const Cell& cell) {
    chain_.assign(1, cell);
    heap_.clear();
    horizon_ = -1;
  }

  // Adds a chain whose coboundary begins with the pivot that was taken last, so that the two are gone.
  void add(const Cell* begin, const Cell* end, const Cell& pivot) {
    for (const Cell* cell = begin; cell != end; ++cell) {
      collect(*cell, pivot.diameter, [&](const Cell& cofacet) {
        if (!before(pivot, cofacet)) return;
        heap_.push_back(cofacet);
        std::push_heap(heap_.begin(), heap_.end(), after);
      });
    }
    chain_.insert(chain_.end(), begin, end);
  }

  // Takes the first cell out; false where there is none.
  bool take(Cell* pivot) {
    do {
      while (!heap_.empty()) {
        *pivot = pop();
        if (heap_.empty() || heap_.front().simplex != pivot->simplex) return true;
        pop();
      }
    } while (widen());
    return false;
  }

  const std::vector<Cell>& chain() {
    cancel(chain_);
    return chain_;
  }

 private:
  Cell pop() {
    const Cell first = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end(), after);
    heap_.pop_back();
    return first;
  }

  // Cofacets with diameters from `from` to the horizon.
  template <typename Take>
  void collect(const Cell& cell, float from, Take&& take) {
    const float* rows[kVertices];
    distances_.rows<kVertices>(cell.simplex, rows);
    const int64_t found = distances_.loops().between(rows, kVertices, cell.diameter, from, horizon_,
                                                     distances_.stride(), vertices_.data(), values_.data());
    for (int64_t k = 0; k < found; ++k) take(Cell{values_[k], with<kVertices>(cell.simplex, vertices_[k])});
  }

  bool widen() {
    if (horizon_ >= threshold_) return false;
    cancel(chain_);
    const float from = horizon_ < 0 ? 0 : std::nextafter(horizon_, kInfinity);
    float first = kInfinity;
    for (const Cell& cell : chain_) {
      const float* rows[kVertices];
      distances_.rows<kVertices>(cell.simplex, rows);
      first = std::min(first, distances_.loops().smallest_from(rows, kVertices, cell.diameter, from,
                                                               distances_.stride()));
    }
    if (first > threshold_) return false;
    horizon_ = std::min(threshold_, first * kWiden);
    for (const Cell& cell : chain_) {
      collect(cell, from, [&](const Cell& cofacet) { heap_.push_back(cofacet); });
    }
    std::make_heap(heap_.begin(), heap_.end(), after);
    return true;
  }

  const Distances& distances_;
  const float threshold_;
  float horizon_ = -1;
  std::vector<Cell> chain_, heap_;
  Buffer<int32_t> vertices_;
  Buffer<float> values_;
};

}  // namespace

size_t Pivots::place(Simplex pivot) const {
  const size_t mask = slots_.size() - 1;
  size_t at = static_cast<size_t>((pivot * 0x9e3779b97f4a7c15u) >> 32) & mask;
  while (slots_[at].pivot != 0 && slots_[at].pivot != pivot) at = (at + 1) & mask;
  return at;
}

void Pivots::put(Simplex pivot, int32_t column) {
  if (2 * ++used_ > slots_.size()) {
    std::vector<Slot> before(2 * slots_.size());
    before.swap(slots_);
    for (const Slot& each : before) {
      if (each.pivot != 0) slots_[place(each.pivot)] = each;
    }
  }
  slots_[place(pivot)] = {pivot, column};
}

int32_t Pivots::find(Simplex pivot) const {
  const Slot& slot = slots_[place(pivot)];
  return slot.pivot == pivot ? slot.column : -1;
}

template <int kVertices>
Pivots reduce(mg_context* context, const Distances& distances, float threshold, const std::vector<Cell>& columns,
              std::vector<float>& points) {
  MG_REQUIRE(columns.size() < INT32_MAX, "%lld columns are too many", static_cast<Long>(columns.size()));
  Pivots pivots;
  std::vector<Cell> chains;
  std::vector<size_t> begin(1, 0);
  Coboundary<kVertices> work(distances, threshold);
  for (size_t c = 0; c < columns.size(); ++c) {
    const Cell& column = columns[c];
    Cell pivot, facet;
    // An emergent pair: the first cofacet is of equal diameter, and nobody's yet.
    const int64_t first = distances.first_cofacet<kVertices>(column);
    if (first >= 0) {
      pivot = {column.diameter, with<kVertices>(column.simplex, first)};
      if (pivots.find(pivot.simplex) < 0 && !distances.apparent_facet<kVertices>(pivot, &facet)) {
        pivots.put(pivot.simplex, static_cast<int32_t>(c));
        chains.push_back(column);
        begin.push_back(chains.size());
        continue;
      }
    }
    work.start(column);
    for (;;) {
      check_cancelled(context);
      if (!work.take(&pivot)) {
        points.insert(points.end(), {column.diameter, kInfinity});
        break;
      }
      const int32_t other = pivots.find(pivot.simplex);
      if (other >= 0) {
        work.add(chains.data() + begin[other], chains.data() + begin[other + 1], pivot);
      } else if (distances.apparent_facet<kVertices>(pivot, &facet)) {
        work.add(&facet, &facet + 1, pivot);
      } else {
        pivots.put(pivot.simplex, static_cast<int32_t>(c));
        if (pivot.diameter > column.diameter) points.insert(points.end(), {column.diameter, pivot.diameter});
        chains.insert(chains.end(), work.chain().begin(), work.chain().end());
        break;
      }
    }
    begin.push_back(chains.size());
  }
  return pivots;
}

template Pivots reduce<2>(mg_context*, const Distances&, float, const std::vector<Cell>&, std::vector<float>&);
template Pivots reduce<3>(mg_context*, const Distances&, float, const std::vector<Cell>&, std::vector<float>&);

}  // namespace merganser
