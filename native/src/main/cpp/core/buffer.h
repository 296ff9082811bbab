// SPDX-License-Identifier: Apache-2.0
// Scratch memory: 64-byte aligned, not initialised, freed by its owner. Throws std::bad_alloc.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

namespace merganser {

// Large blocks ask for huge pages: the first touch of small ones costs as much as the arithmetic of small problems.
inline void* allocate_aligned(int64_t bytes) {
  constexpr int64_t kHugePage = int64_t{2} << 20;
  if (bytes < 0 || bytes > INT64_MAX - kHugePage) return nullptr;
  const bool huge = bytes >= 2 * kHugePage;
  const int64_t unit = huge ? kHugePage : 64;
  const int64_t size = (bytes / unit + 1) * unit;
  void* memory = std::aligned_alloc(static_cast<size_t>(unit), static_cast<size_t>(size));
#if defined(MADV_HUGEPAGE)
  if (memory && huge) madvise(memory, static_cast<size_t>(size), MADV_HUGEPAGE);
#endif
  return memory;
}

template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t count) { reserve(count); }
  Buffer(int64_t rows, int64_t columns) {
    int64_t count;
    if (__builtin_mul_overflow(rows, columns, &count)) throw std::bad_alloc();
    reserve(count);
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~Buffer() { std::free(data_); }

  // Grows to at least `count` elements; the old contents are lost when it grows.
  void reserve(int64_t count) {
    if (data_ && count <= count_) return;
    int64_t bytes;
    if (__builtin_mul_overflow(count, static_cast<int64_t>(sizeof(T)), &bytes)) throw std::bad_alloc();
    void* fresh = allocate_aligned(bytes);
    if (!fresh) throw std::bad_alloc();
    std::free(data_);
    data_ = static_cast<T*>(fresh);
    count_ = count;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }
  int64_t size() const { return count_; }

 private:
  T* data_ = nullptr;
  int64_t count_ = 0;
};

}  // namespace merganser
