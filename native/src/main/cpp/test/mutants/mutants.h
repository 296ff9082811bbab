// SPDX-License-Identifier: Apache-2.0
// Included before each source of cuda/ in which plant.pl has planted mistakes. All are compiled at once, and each
// stands behind a number: MERGANSER_MUTANT chooses one, or none. MERGANSER_MUTANTS_SEEN names a file that gets, when
// the process ends, the numbers of those that would have made a difference where they stand; a comparison that is off
// by one differs only for equal values.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace mutants {

constexpr int kMost = 4096;
inline bool seen[kMost];
inline const int chosen = [] {
  const char* number = std::getenv("MERGANSER_MUTANT");
  return number ? std::atoi(number) : -1;
}();

struct Report {
  ~Report() {
    const char* name = std::getenv("MERGANSER_MUTANTS_SEEN");
    std::FILE* file = name ? std::fopen(name, "w") : nullptr;
    if (!file) return;
    for (int id = 0; id < kMost; ++id) {
      if (seen[id]) std::fprintf(file, "%d\n", id);
    }
    std::fclose(file);
  }
};
inline const Report report;

// Whether the mistake is made here. What the compiler evaluates has none.
template <int id>
constexpr bool at() {
  static_assert(id < kMost, "more mutants than kMost");
  if (__builtin_is_constant_evaluated()) return false;
  seen[id] = true;
  return chosen == id;
}

// A status that nobody looks at: Ok<id>() % call(...)
template <int id>
struct Ok {};
template <int id, typename Status>
constexpr Status operator%(Ok<id>, Status status) {
  return at<id>() ? Status(0) : status;
}

// Nothing went wrong: Zero<id>() * info(...)
template <int id>
struct Zero {};
template <int id>
constexpr int operator*(Zero<id>, int info) {
  return at<id>() ? 0 : info;
}

// The other one of two constants.
template <int id, typename Choice>
constexpr Choice other(Choice choice) {
  return at<id>() ? static_cast<Choice>(1 - static_cast<int>(choice)) : choice;
}

template <int id, typename Integer>
constexpr Integer more(Integer value) {
  return at<id>() ? value + 1 : value;
}

// matrix[i][j] with its indices exchanged.
template <int id, typename Matrix, typename I, typename J>
constexpr auto& turned(Matrix& matrix, I i, J j) {
  return at<id>() ? matrix[j][i] : matrix[i][j];
}

// a < Tie<id>() < b is a < b, or a <= b when the mistake is made; so for the others.
template <int id>
struct Tie {};
template <int id, typename A>
struct Half {
  A a;
};
#define MG_MUTANT_COMPARISON(op)                                  \
  template <typename A, int id>                                   \
  constexpr Half<id, A> operator op(A a, Tie<id>) {               \
    return {a};                                                   \
  }                                                               \
  template <int id, typename A, typename B>                       \
  constexpr bool operator op(Half<id, A> half, B b) {             \
    const bool right = half.a op b;                               \
    return half.a == b ? right != at<id>() : right;               \
  }
MG_MUTANT_COMPARISON(<)
MG_MUTANT_COMPARISON(<=)
MG_MUTANT_COMPARISON(>)
MG_MUTANT_COMPARISON(>=)
#undef MG_MUTANT_COMPARISON

}  // namespace mutants
