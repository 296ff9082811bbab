// SPDX-License-Identifier: Apache-2.0
// Memory of the host, for arrays of callers and for scratch: 64-byte aligned, not initialised, freed by its owner.
// Buffer throws std::bad_alloc.
#pragma once

#include <cstdint>
#include <new>
#include <utility>

namespace merganser {

// NULL when there is no memory, also without the blocks that are kept (below), which then go back; freed by std::free.
// The library keeps blocks of its own, and so does the plug-in.
// Large blocks ask for huge pages: the first touch of small ones costs as much as the arithmetic of small problems.
void* allocate_aligned(int64_t bytes);

// The same, from blocks that were released before: who asks again for as much finds its pages touched, where the C
// library would give them back and fetch new ones, two megabytes at a time. The size at release is that of the request.
void* take_scratch(int64_t bytes);
void release_scratch(void* memory, int64_t bytes);

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
  ~Buffer() { release(); }

  // Grows to at least `count` elements; the old contents are lost when it grows.
  void reserve(int64_t count) {
    if (data_ && count <= count_) return;
    int64_t bytes;
    if (__builtin_mul_overflow(count, static_cast<int64_t>(sizeof(T)), &bytes)) throw std::bad_alloc();
    void* fresh = take_scratch(bytes);
    if (!fresh) throw std::bad_alloc();
    release();
    data_ = static_cast<T*>(fresh);
    count_ = count;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }
  int64_t size() const { return count_; }

 private:
  void release() {
    if (data_) release_scratch(data_, count_ * static_cast<int64_t>(sizeof(T)));
  }

  T* data_ = nullptr;
  int64_t count_ = 0;
};

}  // namespace merganser
