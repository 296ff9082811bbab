// SPDX-License-Identifier: Apache-2.0
// The list, with the oracles of contexts and memory.
#include "test/listed.h"

#include "test/listed_tools.h"

namespace check {

namespace {

using merganser::Table;
// ---- Contexts and memory -------------------------------------------------------------------------------

Outcome context_life(mg_context* context, const Input&, bool) {
  mg_context other;
  other.table = context->table;
  Outcome result;
  const bool opened = other.table->open(&other) == MG_OK;
  if (opened) other.table->close(&other);
  result.error = exactly(opened);
  return result;
}

Outcome description(mg_context* context, const Input&, bool) {
  const std::string lines = context->table->describe();
  return {{lines.begin(), lines.end()}, exactly(lines.empty() || lines.find("name: ") == 0)};
}

// The CPU reaches what any caller has, a device only what is its own.
Outcome ownership(mg_context* context, const Input&, bool) {
  const double mine = 0;
  return {{}, exactly(context->table->owns(&mine) == (context->table->device == MG_DEVICE_HOST))};
}

Outcome memory(mg_context* context, const Input& input, bool) {
  const int64_t before = mg_allocated_bytes(), bytes = input.size * size_of(input.dtype);
  void* pointer = nullptr;
  CHECK_OK(mg_alloc(context, bytes, &pointer));
  const bool counted = mg_allocated_bytes() == before + bytes;
  const bool aligned = pointer && reinterpret_cast<uintptr_t>(pointer) % 64 == 0;
  mg_free(context, pointer);
  return {{}, exactly(counted && aligned && mg_allocated_bytes() == before)};
}

Outcome copies(mg_context* context, const Input& input, bool) {
  const std::vector<char> bytes = random_elements(input, input.size, 1);
  const int32_t device = context->table->device;
  Array from(context, static_cast<int64_t>(bytes.size()), input.shift);
  Array to(context, static_cast<int64_t>(bytes.size()), 3 * input.shift);
  from.write(bytes);
  CHECK_OK(mg_copy(context, to.data(), device, from.data(), device, static_cast<int64_t>(bytes.size())));
  return {to.read(), exactly(to.read() == bytes)};
}

// ---- The list ------------------------------------------------------------------------------------------

template <auto Entry, typename Signature = decltype(Entry)>
struct Spy;

template <auto Entry, typename Result, typename... Arguments>
struct Spy<Entry, Result (*Table::*)(Arguments...)> {
  static inline int64_t count = 0;
  static inline Result (*original)(Arguments...) = nullptr;
  static Result call(Arguments... arguments) {
    ++count;
    return original(arguments...);
  }
  static void install(Table* table) {
    count = 0;
    original = table->*Entry;
    table->*Entry = &call;
  }
  static int64_t calls() { return count; }
};

template <auto Entry>
Listed listing(const char* entry, const char* name, Same same, std::vector<int32_t> dtypes, std::vector<int64_t> sizes,
               std::vector<Scale> scales, Outcome (*run)(mg_context*, const Input&, bool)) {
  using S = Spy<Entry>;
  return {entry, name,        same,     std::move(dtypes), std::move(sizes), std::move(scales),
          run,   &S::install, &S::calls};
}

}  // namespace

const std::vector<Listed>& listed() {
  static const std::vector<int32_t> all = {MG_F64, MG_F32, MG_F16, MG_BF16}, real = {MG_F64, MG_F32}, f64 = {MG_F64};
  static const std::vector<int64_t> once = {1}, long_arrays = {0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 65, 257, 4099, 40001},
                                    axes = {1, 2, 3, 7, 16, 17, 33, 65, 257},
                                    squares = {1, 2, 3, 7, 15, 16, 17, 33, 65, 130},
                                    matchings = {1, 2, 3, 7, 15, 16, 17, 33, 65, 130},
                                    products = {0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 65, 300};
  static const std::vector<Scale> normal = {Scale::NORMAL}, numbers = {Scale::NORMAL, Scale::TINY, Scale::HUGE_VALUES},
                                  bits = {Scale::NORMAL, Scale::TINY, Scale::HUGE_VALUES, Scale::BITS};
  static const std::vector<int32_t> np_types = {MG_F32, MG_BF16};
  static const std::vector<int64_t> ranked = {1, 2, 3, 7, 16, 17, 65, 257, 4099, 70001};
  static const std::vector<int64_t> activations = {1, 2, 3, 7, 15, 16, 17, 33, 65, 257, 2049, 20001};
  static const std::vector<int64_t> sorted_rows = {1, 2, 3, 7, 16, 65, 257, 4099, 9001};
  static const std::vector<int64_t> complexes = {0, 1, 2, 3, 5, 12, 15, 16, 17, 25, 33};
  static const std::vector<Scale> small = {Scale::NORMAL, Scale::TINY};
  const Same every = Same::EVERY_LEVEL, each = Same::EACH_LEVEL;
#define ENTRY(name) FORM(name, name)
#define FORM(entry, name) listing<&Table::entry>(#entry, #name
  static const std::vector<Listed> list = {
      ENTRY(open), every, f64, once, normal, &context_life),
      ENTRY(close), every, f64, once, normal, &context_life),
      ENTRY(owns), every, f64, once, normal, &ownership),
      ENTRY(describe), each, f64, once, normal, &description),
      ENTRY(allocate), every, all, long_arrays, normal, &memory),
      ENTRY(release), every, all, long_arrays, normal, &memory),
      ENTRY(copy), every, all, long_arrays, bits, &copies),
      ENTRY(moments_create), every, real, once, normal, &listed_moments_sums),
      ENTRY(moments_update), every, real, once, normal, &listed_moments_sums),
      ENTRY(moments_series), every, real, squares, numbers, &listed_moments_sums),
      ENTRY(moments_block), each, real, squares, numbers, &listed_moments_blocks),
      ENTRY(gemm), each, real, products, numbers, &listed_gemm),
      ENTRY(transpose), every, real, products, bits, &listed_transpose),
      ENTRY(polar), each, real, squares, numbers, &listed_polar),
      ENTRY(cca_map), each, real, squares, numbers, &listed_cca_map),
      ENTRY(svd), each, f64, squares, numbers, &listed_thin_svd),
      ENTRY(solve), each, f64, squares, numbers, &listed_solve),
      ENTRY(symmetric_eigen), each, f64, squares, numbers, &listed_symmetric_eigen),
      ENTRY(qr), each, f64, squares, numbers, &listed_thin_qr),
      ENTRY(general_eigenvalues), each, f64, squares, numbers, &listed_general_eigenvalues),
      ENTRY(divide), every, f64, axes, bits, &listed_divide),
      ENTRY(norm), every, f64, axes, bits, &listed_norm),
      ENTRY(row_products), every, f64, axes, numbers, &listed_row_products),
      ENTRY(centre_columns), every, real, products, numbers, &listed_centre_columns),
      ENTRY(gram), each, real, products, numbers, &listed_gram),
      ENTRY(centre_gram), every, f64, squares, numbers, &listed_centre_gram),
      ENTRY(gram_rows), each, real, squares, numbers, &listed_gram_rows),
      ENTRY(gaussian), every, f64, long_arrays, numbers, &listed_gaussian),
      ENTRY(permuted_products), every, f64, squares, numbers, &listed_permuted_products),
      ENTRY(assignment), every, real, matchings, numbers, &listed_assignment),
      FORM(assignment, assignment_warm), every, real, matchings, numbers, &listed_assignment_warm),
      FORM(assignment, assignment_factors), every, real, matchings, numbers, &listed_assignment_factors),
      ENTRY(assignment_batch), every, real, matchings, numbers, &listed_assignment_batch),
      ENTRY(assignment_certify), every, real, matchings, numbers, &listed_assignment_certify),
      FORM(assignment_certify, assignment_factors_certify), every, real, matchings, numbers,
           &listed_assignment_factors_certify),
      ENTRY(apply_dense), each, all, axes, numbers, &listed_apply_dense),
      ENTRY(apply_gather), every, all, axes, bits, &listed_apply_gather),
      ENTRY(weighted_sum), every, all, long_arrays, bits, &listed_weighted_sum),
      FORM(weighted_sum, weighted_sum_of_many), every, all, {1, 7, 17, 33, 257}, bits, &listed_weighted_sum_of_many),
      ENTRY(convert), every, all, long_arrays, bits, &listed_convert),
      ENTRY(nonfinite_count), every, all, long_arrays, bits, &listed_nonfinite_count),
      ENTRY(task_merge), every, all, long_arrays, bits, &listed_task_merge),
      ENTRY(magnitude_counts), every, all, ranked, bits, &listed_magnitude_counts),
      ENTRY(magnitude_find), every, all, ranked, numbers, &listed_magnitude_find),
      ENTRY(ranked_drop), every, all, sorted_rows, numbers, &listed_ranked_drop),
      ENTRY(dot_products), every, all, long_arrays, numbers, &listed_dot_products),
      ENTRY(formula_merge), every, all, long_arrays, bits, &listed_formula_merge),
      ENTRY(formula_sums), every, all, long_arrays, numbers, &listed_formula_sums),
      ENTRY(row_divergences), every, all, long_arrays, numbers, &listed_fusion_scores),
      ENTRY(fusion_scores), every, all, long_arrays, numbers, &listed_fusion_scores),
      ENTRY(gamma_forward), every, real, activations, bits, &listed_gamma_forward),
      ENTRY(gamma_backward), every, real, activations, bits, &listed_gamma_backward),
      ENTRY(bandwidth), every, f64, long_arrays, normal, &listed_bandwidth),
      ENTRY(np_create), every, np_types, once, normal, &listed_np),
      ENTRY(np_theta), every, np_types, once, normal, &listed_np),
      ENTRY(np_state), every, np_types, once, normal, &listed_np),
      ENTRY(np_load), every, np_types, once, normal, &listed_np),
      ENTRY(np_resume), every, np_types, once, normal, &listed_np),
      ENTRY(np_step), every, np_types, long_arrays, small, &listed_np),
      ENTRY(rips), every, real, complexes, numbers, &listed_rips),
  };
#undef ENTRY
  return list;
}

std::vector<Input> inputs(const Listed& routine) {
  std::vector<Input> all;
  // Threads as fibers take long: there arrays are aligned or not, in turn, so that each type, size and scale has both.
  const auto wanted = [](size_t type, size_t size, size_t scale, int64_t shift) {
    return !cuda_standin() || shift == static_cast<int64_t>((type + size + scale) % 2);
  };
  const size_t count = routine.sizes.size();
  for (size_t t = 0; t < routine.dtypes.size(); ++t) {
    for (size_t n = 0; n < count; ++n) {
      // The two largest take most of the time: only ordinary numbers, and none in short.
      const bool large = count > 2 && n + 2 >= count;
      if (large && in_short()) continue;
      for (size_t s = 0; s < routine.scales.size(); ++s) {
        const Scale scale = routine.scales[s];
        const bool magnitude = scale == Scale::TINY || scale == Scale::HUGE_VALUES;
        if ((large && scale != Scale::NORMAL) || (magnitude && in_short())) continue;
        for (int64_t shift : {0, 1}) {
          if (wanted(t, n, s, shift)) all.push_back({routine.dtypes[t], routine.sizes[n], shift, scale});
        }
      }
    }
  }
  return all;
}

std::string text(const Listed& routine, const Input& input) {
  static const char* const types[] = {"F64", "F32", "F16", "BF16"};
  static const char* const scales[] = {"", ", tiny", ", huge", ", random bits"};
  return std::string(routine.name) + ", " + types[input.dtype] + ", size " + std::to_string(input.size) +
         scales[static_cast<int>(input.scale)] + (input.shift ? ", unaligned" : "");
}

}  // namespace check
