// SPDX-License-Identifier: Apache-2.0
// What the oracles of the list share: arrays on the device, random elements, the bytes and the error of an outcome.
#pragma once

#include <algorithm>

#include "test/listed.h"
#include "test/oracle.h"

namespace check {

// An array where the context computes, between guards that nobody may write.
class Array {
 public:
  Array(mg_context* context, int64_t bytes, int64_t shift, bool on_host = false)
      : context_(context),
        device_(on_host ? static_cast<int32_t>(MG_DEVICE_HOST) : context->table->device),
        before_(16 + shift),
        bytes_(bytes) {
    const std::vector<char> guards(static_cast<size_t>(before_ + bytes + 16), kGuard);
    CHECK_OK(mg_alloc(on_host ? nullptr : context, static_cast<int64_t>(guards.size()), &memory_));
    copy(memory_, device_, guards.data(), MG_DEVICE_HOST, guards.size());
  }
  Array(mg_context* context, int32_t dtype, const Vector& values, int64_t shift, bool on_host = false)
      : Array(context, static_cast<int64_t>(values.size()) * size_of(dtype), shift, on_host) {
    std::vector<char> encoded(static_cast<size_t>(bytes_));
    for (size_t i = 0; i < values.size(); ++i) store(dtype, values[i], encoded.data(), static_cast<int64_t>(i));
    write(encoded);
  }
  ~Array() { mg_free(context_, memory_); }
  Array(const Array&) = delete;

  void write(const std::vector<char>& bytes) { copy(data(), device_, bytes.data(), MG_DEVICE_HOST, bytes.size()); }
  std::vector<char> read() const {
    std::vector<char> all(static_cast<size_t>(before_ + bytes_ + 16));
    copy(all.data(), MG_DEVICE_HOST, memory_, device_, all.size());
    const auto intact = [](char c) { return c == kGuard; };
    CHECK(std::all_of(all.begin(), all.begin() + before_, intact) && std::all_of(all.end() - 16, all.end(), intact));
    return std::vector<char>(all.begin() + before_, all.end() - 16);
  }
  Vector values(int32_t dtype) const {
    const std::vector<char> encoded = read();
    Vector result(encoded.size() / static_cast<size_t>(size_of(dtype)));
    for (size_t i = 0; i < result.size(); ++i) result[i] = element(dtype, encoded.data(), static_cast<int64_t>(i));
    return result;
  }
  char* data() const { return static_cast<char*>(memory_) + before_; }
  double* doubles() const { return reinterpret_cast<double*>(data()); }

 private:
  static constexpr char kGuard = '\xff';  // NaN of every type: what reads beyond an array shows
  void copy(void* to, int32_t to_device, const void* from, int32_t from_device, size_t bytes) const {
    CHECK_OK(mg_copy(context_, to, to_device, from, from_device, static_cast<int64_t>(bytes)));
  }
  mg_context* context_;
  int32_t device_;
  int64_t before_, bytes_;
  void* memory_ = nullptr;
};

// An array on the host wherever the context computes: small results.
class HostArray : public Array {
 public:
  HostArray(mg_context* context, int64_t bytes, int64_t shift) : Array(context, bytes, shift, true) {}
  HostArray(mg_context* context, int32_t dtype, const Vector& values, int64_t shift)
      : Array(context, dtype, values, shift, true) {}
};

inline int64_t whole(int64_t shift) { return shift == 0 ? 0 : 8; }  // for arrays of double

// Near the end of the range of a type, or of the numbers whose `degree`-fold products are in range.
inline double magnitude(int32_t dtype, Scale scale, int degree = 1) {
  const double exponent = dtype == MG_F64 ? 290 : dtype == MG_F16 ? 4 : 36;
  const double power = exponent / degree;
  // The subnormals of F16 begin where its range would end.
  return scale == Scale::TINY          ? std::pow(10, dtype == MG_F16 ? -6 : -power)
         : scale == Scale::HUGE_VALUES ? std::pow(10, power)
                                       : 1;
}

// Elements of a type as the input asks for them.
inline std::vector<char> random_elements(const Input& input, int64_t count, uint64_t seed) {
  std::vector<char> bytes(static_cast<size_t>(count * size_of(input.dtype)));
  if (input.scale == Scale::BITS) {
    std::mt19937_64 generator(seed);
    for (char& each : bytes) each = static_cast<char>(generator());
    return bytes;
  }
  const Vector values = gaussian(count, seed, 0, magnitude(input.dtype, input.scale));
  for (int64_t i = 0; i < count; ++i) store(input.dtype, values[i], bytes.data(), i);
  return bytes;
}

inline Vector scaled(Vector values, double by) {
  for (double& each : values) each *= by;
  return values;
}

template <typename T>
inline void append(std::vector<char>& to, const T* values, size_t count) {
  const char* bytes = reinterpret_cast<const char*>(values);
  to.insert(to.end(), bytes, bytes + count * sizeof(T));
}
inline void append(std::vector<char>& to, const std::vector<char>& bytes) { append(to, bytes.data(), bytes.size()); }

// The error of results that must be exact.
inline double exactly(bool right) { return right ? 0 : kInf; }
inline void raise(double& error, double other) { error = other <= error ? error : other; }  // NaN is kept

}  // namespace check
