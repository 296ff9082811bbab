#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Plants mistakes in copies of cuda/, one at a time, and runs the tests of the routine on the stand-in: each must make
# one fail. Prints a table; exit status 1 when a mutant survives. It takes hours for all.
# Usage: mutants.sh BUILD [PART]: BUILD has merganser_test and libmerganser_standin.so, PART is in the names to run.
set -euo pipefail

build=$(cd "$1" && pwd)
part=${2:-}
sources=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
objects=$build/test/cuda_standin/CMakeFiles/merganser_standin.dir
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$sources" "$work/cpp"
overlay=$work/cpp

# The tests that know a file, by parts of their names: the quick ones first.
tests_of() {
  local routine
  case $1 in
    matrix.cu | solver.cpp | dense.cpp | polar*)
      echo fake_cca_fails fake_listed_polar fake_polar fake_listed_cca_map fake_cca fake_faults_polar fake_faults_cca_map ;;
    blas.cpp) echo fake_listed_gemm fake_gemm fake_faults_gemm fake_listed_cca_map fake_cca fake_listed_apply_dense ;;
    cca*) echo fake_listed_cca_map fake_cca fake_faults_cca_map ;;
    moments*) echo fake_listed_moments_series fake_listed_moments_block fake_moments fake_faults_moments ;;
    costs.cuh | assignment_costs.cu | assignment_kernels.cuh | assignment.cpp)
      echo fake_listed_assignment_factors fake_assignment fake_faults_assignment ;;
    assignment_b*) echo fake_listed_assignment_batch fake_assignment fake_faults_assignment ;;
    np*) echo fake_listed_np_step fake_np_ fake_faults_np ;;
    nonfinite.cu) echo fake_listed_nonfinite_count fake_faults_nonfinite ;;
    types.cuh) echo fake_listed_convert fake_listed_weighted_sum fake_listed_apply_gather ;;
    copy.* | arena.* | blocks.* | device.cpp) echo fake_streams fake_runtime fake_counts fake_copies fake_listed_convert fake_faults_convert ;;
    task*) echo fake_listed_task_merge fake_task fake_faults_task ;;
    formula*) echo fake_listed_formula fake_formulas fake_faults_formula ;;
    fusion*) echo fake_listed_row_divergences fake_listed_fusion_scores fake_faults_fusion fake_faults_row_div ;;
    weighted*) echo fake_listed_weighted_sum fake_weighted_sums fake_faults_weighted_sum ;;
    magnitude*) echo fake_listed_magnitude fake_magnitudes fake_faults_magnitude ;;
    *)
      routine=${1%.*}
      echo "fake_listed_$routine" "fake_faults_$routine" ;;
  esac
}

# Compiles what has the file, and links it with the rest. An unaligned word ends the test, as the sanitizer would.
compile() {
  local file=$1 each affected=() rest=()
  case $file in
    *.cu | *.cpp) affected=("$file") ;;
    *) while read -r each; do affected+=("$(basename "$each")"); done \
      < <(cd "$overlay/cuda" && grep -lE "\"cuda/$file\"" ./*.cu ./*.cpp) ;;
  esac
  for each in "${affected[@]}"; do
    g++ -x c++ -std=c++17 -O1 -fPIC -ffp-contract=off -fno-math-errno -Werror=unused-result \
      -fsanitize=alignment -fsanitize-undefined-trap-on-error -fvisibility=hidden -DMERGANSER_PLUGIN \
      -DMERGANSER_VERSION="\"$version\"" -DMERGANSER_CUDA_CAPABILITIES='"the stand-in"' -I "$overlay" \
      -isystem "$overlay/test/cuda_standin" -c "$overlay/cuda/$each" -o "$work/$each.o" 2> "$work/errors" || return 1
  done
  while read -r each; do
    local name=${each##*/}
    [[ " ${affected[*]/%/.o} " == *" $name "* && $each == */cuda/* ]] || rest+=("$each")
  done < <(find "$objects" -name '*.o')
  g++ -shared -o "$work/libmerganser_standin.so" $(printf "$work/%s.o " "${affected[@]}") "${rest[@]}" \
    -Wl,--version-script="$overlay/merganser_cuda.map" -Wl,-rpath,"$build/standin" \
    "$build/standin/libmerganser_standin_cudart.so"
}

# Whether a test of the file fails; says which. A name that no test has is a mistake of this script.
caught() {
  local order test
  for test in $(tests_of "$1"); do
    for order in backward shuffled forward; do
      [[ $test != fake_faults_* || $order = backward ]] || continue
      if ! MERGANSER_CUDA_PATH=$build/standin MERGANSER_STANDIN_ORDER=$order \
        MERGANSER_CUDA_PLUGIN=$work/libmerganser_standin.so timeout 600 "$build/merganser_test" "$test" \
        > "$work/output" 2>&1; then
        if grep -q '^no test has' "$work/output"; then
          echo "mutants.sh: no test has $test in its name" >&2
          kill $$
        fi
        echo "$test, $order"
        return 0
      fi
    done
  done
  return 1
}

survivors=0 planted=0
# mutant FILE NAME SED: one line changed.
mutant() {
  local file=$1 name=$2 change=$3 by result
  [[ "$file $name" == *"$part"* ]] || return 0
  sed -E "$change" "$sources/cuda/$file" > "$overlay/cuda/$file"
  planted=$((planted + 1))
  if cmp -s "$sources/cuda/$file" "$overlay/cuda/$file"; then
    result="NOT PLANTED: the line is gone"
    survivors=$((survivors + 1))
  elif ! compile "$file"; then
    result="not compiled: $(grep -m1 error "$work/errors" | cut -c1-60)"
    if grep -q 'Werror=unused-result' "$work/errors"; then
      result="caught by the compiler: nobody looks at the status"
    else
      planted=$((planted - 1))
    fi
  elif by=$(caught "$file"); then
    result="caught by $by"
  else
    result=SURVIVES
    survivors=$((survivors + 1))
  fi
  printf '%-24s %-52s %s\n' "$file" "$name" "$result"
  cp "$sources/cuda/$file" "$overlay/cuda/$file"
}

# every_line FILE NAME PATTERN SED: a mutant for each line with the pattern.
every_line() {
  local line
  while read -r line; do
    mutant "$1" "$2 in line $line" "${line}$4"
  done < <(grep -nE "$3" "$sources/cuda/$1" | cut -d: -f1)
}

version=$(sed -n 's/^MERGANSER_VERSION:[A-Z]*=//p' "$build/CMakeCache.txt")
# A status that nobody looks at.
echo '#define forget(call, ...) call' >> "$overlay/cuda/plugin.h"

mutant transpose.cu "rows and columns exchanged" 's/tile\[threadIdx\.x\]\[r \+ threadIdx\.y\]/tile[r + threadIdx.y][threadIdx.x]/'
mutant transpose.cu "tail: <= for <" 's/if \(row < cols \&\& col < rows\)/if (row <= cols \&\& col < rows)/'
mutant transpose.cu "wrong ld" 's/row \* ldout \+ col/row * ldin + col/'
mutant blas.cpp "a transpose exchanged" 's/const Op turned = op == Op::N \? Op::T : Op::N;/const Op turned = op;/'
mutant blas.cpp "operands of gemm not exchanged" 's/static_cast<int>\(op_b\), static_cast<int>\(op_a\)/static_cast<int>(op_a), static_cast<int>(op_b)/'
mutant blas.cpp "the side of trsm not exchanged" 's/return side == Side::LEFT \? kSideRight : kSideLeft/return side == Side::LEFT ? kSideLeft : kSideRight/'
mutant blas.cpp "ld one too small" 's/return narrow\(std::max\(\{ld, columns, int64_t\{1\}\}\), name\)/return narrow(std::max({ld, columns, int64_t{1}}) - 1, name)/'
mutant blas.cpp "ld one too large" 's/return narrow\(std::max\(\{ld, columns, int64_t\{1\}\}\), name\)/return narrow(std::max({ld, columns, int64_t{1}}) + 1, name)/'
mutant blas.cpp "the status is not looked at" 's/if \(status == kLibrarySuccess\) return;/return;/'
mutant solver.cpp "the status is not looked at" 's/if \(status == kLibrarySuccess\) return;/return;/'
mutant solver.cpp "info is not looked at" 's/return info\(status, "cusolverDnDpotrf"\) == 0;/info(status, "cusolverDnDpotrf"); return true;/'
mutant solver.cpp "the shift of gesvdp is not looked at" 's/\|\| !\(shift <= kShift \* \*largest\)//'
mutant types.cuh "tail of the packs left out" 's/i = packs \* kCount \+ thread;/i = packs * kCount + thread + 1;/'
mutant types.cuh "unaligned words read as aligned" 's/if \(kCount > 1 \|\| reinterpret_cast<uintptr_t>\(base\) % sizeof\(W\) == 0\)/if (true)/'
mutant device.cpp "a stream is not waited for by kernels" 's/\{s\.stream, s\.copies\}/{s.copies}/'
mutant device.cpp "a stream is not waited for by copies" 's/\{s\.stream, s\.copies\}/{s.stream}/'
mutant device.cpp "a stream is not signalled" 's/check\(cudaStreamWaitEvent\(static_cast.*$//'
mutant device.cpp "no wait at the end of routines" 's/check\(cudaStreamSynchronize\(state\.stream\), routine\);//'

for file in blas.cpp solver.cpp; do
  every_line "$file" "unchecked status of a library" '^ *require\(' 's/require\(/forget(/'
done
cd "$sources/cuda"
for file in *.cu *.cuh; do
  every_line "$file" "no barrier" '^ *__sync(threads|warp)\(\);' 's/__sync(threads|warp)\(\);//'
done
for file in *.cu *.cpp; do
  every_line "$file" "unchecked status" '^ *check\(cuda' 's/check\(cuda/forget(cuda/'
  every_line "$file" "no synchronize" '^ *(return )?synchronize\(' 's/synchronize\([^;]*;/;/'
done
echo "$planted mutants, $survivors not caught"
[ "$survivors" = 0 ]
