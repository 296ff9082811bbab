#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Plants mistakes in a copy of cuda/ (plant.pl says which), compiled for the stand-in once with all of them, and makes
# them one at a time: each must make a test fail. Which tests a mistake can show in is found first, by running each test
# without any; then they run by their time, the shortest first, until one fails; in one order of threads after the other.
# Usage: mutants.sh BUILD [PATTERN]: BUILD has merganser_test and libmerganser_standin.so; PATTERN is of grep -E, in the
# lines of plant.pl: number, file, line, kind and text of those to run. BUILD/mutants keeps what has been done: caught
# ones are not tried again while the sources are the same. Prints those that no test caught, and a table; exit status 1
# when there are any. Hours of CPU for all.
#   MERGANSER_JOBS            processes at once
#   MERGANSER_MUTANTS         of each kind in a file at most so many, drawn from a seed; all by default
#   MERGANSER_MUTANT_ORDERS   of threads, all by default
#   MERGANSER_MUTANT_TESTS    of grep -E, in the names of the tests to run, all by default
#   MERGANSER_MUTANT_SECONDS  of the tests of a mistake in an order, as long as they take without it, 60 by default
set -euo pipefail

build=$(cd "$1" && pwd)
part=${2:-}
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sources=$(cd "$folder/../.." && pwd)
export build work=$build/mutants limit=${MERGANSER_MUTANT_SECONDS:-60}
jobs=${MERGANSER_JOBS:-$(getconf _NPROCESSORS_ONLN)}
mkdir -p "$work/cpp" "$work/objects" "$work/seen"

plant() {
  cp -r "$sources/." "$work/cpp"
  perl "$folder/plant.pl" "$sources/cuda" "$work/cpp/cuda" > "$work/list.new"
}

# An index or an unaligned word out of bounds ends the test, as the sanitizer would.
compile() {
  local version
  version=$(sed -n 's/^MERGANSER_VERSION:[A-Z]*=//p' "$build/CMakeCache.txt")
  (cd "$work/cpp/cuda" && ls ./*.cu ./*.cpp) | xargs -P "$jobs" -I{} \
    ${CMAKE_CXX_COMPILER_LAUNCHER:-} g++ -x c++ -std=c++17 -O1 -fPIC -w -ffp-contract=off -fno-math-errno \
      -fsanitize=alignment,bounds -fsanitize-undefined-trap-on-error -fvisibility=hidden -DMERGANSER_PLUGIN \
      -DMERGANSER_VERSION="\"$version\"" -DMERGANSER_CUDA_CAPABILITIES='"the stand-in"' -I "$work/cpp" \
      -include "$folder/mutants.h" -isystem "$work/cpp/test/cuda_standin" -c "$work/cpp/cuda/{}" -o "$work/objects/{}.o"
  local rest
  mapfile -t rest < <(find "$build/test/cuda_standin/CMakeFiles/merganser_standin.dir" -name '*.o' ! -path '*/cuda/*.o')
  g++ -shared -o "$work/libmerganser_standin.so" "$work"/objects/*.o "${rest[@]}" \
    -Wl,--version-script="$sources/merganser_cuda.map" -Wl,-rpath,"$build/standin" \
    "$build/standin/libmerganser_standin_cudart.so"
}

# run_test ORDER TEST SECONDS: seconds of CPU at most.
run_test() {
  (ulimit -c 0 -t "$3"
   MERGANSER_CUDA_PATH=$build/standin MERGANSER_STANDIN_ORDER=$1 \
     MERGANSER_CUDA_PLUGIN=$work/libmerganser_standin.so timeout 900 "$build/merganser_test" --test "$2" \
     > /dev/null 2>&1)
}

# see ORDER TEST: seen/ORDER-TEST has the time of the test, and then the numbers of what it can show.
see() {
  local file=$work/seen/$1-$2 TIMEFORMAT='%U'
  [ ! -f "$file" ] || return 0
  : > "$file.numbers"  # what has no plug-in writes none
  { time MERGANSER_MUTANTS_SEEN=$file.numbers run_test "$1" "$2" 600; } 2> "$file.time" ||
    { echo "mutants.sh: $2 fails without a mistake, threads $1" >&2; return 255; }
  cat "$file.time" "$file.numbers" > "$file.new"
  rm "$file.time" "$file.numbers"
  mv "$file.new" "$file"
}

# tests_of NUMBER: time, order and name, those first that let calls fail when a status is not looked at.
tests_of() {
  local first=nothing
  ! awk -F'\t' -v number="$1" '$1 == number { print $4 }' "$work/list" | grep -q '^status' || first=fake_faults_
  awk -v number="$1" -v first="$first" '$1 == number { print index($4, first) != 1, $2, $3, $4 }' "$work/tests" |
    sort -k1,1n -k2,2g | cut -d' ' -f2-
}

# try NUMBER: a line for results.
try() {
  local number order test seconds spent=0 result=SURVIVES tests=0
  while read -r seconds order test; do
    [ "$tests" -eq 0 ] || [ "$(awk "BEGIN { print int($spent + $seconds) }")" -lt "$limit" ] || break
    spent=$(awk "BEGIN { print $spent + $seconds }")
    tests=$((tests + 1))
    if ! MERGANSER_MUTANT=$1 run_test "$order" "$test" "$(awk "BEGIN { print int(3 * $seconds) + 3 }")"; then
      result="caught by $test, $order"
      break
    fi
  done < <(tests_of "$1")
  [ "$tests" -gt 0 ] || result="NO TEST has what it takes"
  printf '%s\t%s\n' "$1" "$result" >> "$work/results"
}

# The numbers that are asked for and not caught, in an order that is drawn: half of them say something of all.
open_ones() {
  grep -E -- "$part" "$work/list" | awk 'BEGIN { srand(1) } { print rand() "\t" $0 }' | sort -g | cut -f2- |
    awk -F'\t' -v most="${MERGANSER_MUTANTS:-}" 'most == "" || ++drawn[$2, $4] <= most' | cut -f1 |
    grep -vxFf <(sed -n 's/\tcaught by .*//p' "$work/results") || true
}
export -f run_test see tests_of try

plant
if ! cmp -s "$work/list.new" "$work/list" || [ ! -f "$work/libmerganser_standin.so" ]; then
  rm -rf "$work"/objects/* "$work"/seen/* "$work/results"
  compile
  mv "$work/list.new" "$work/list"
fi
# Tests that were built since are seen again.
find "$work/seen" -type f ! -newer "$build/merganser_test" -delete
touch "$work/results"
sed -i '/\tcaught by /!d' "$work/results"
for order in ${MERGANSER_MUTANT_ORDERS:-backward shuffled forward}; do
  # Calls that fail do so in one order (cuda_faults_test.cpp).
  "$build/merganser_test" --list | grep -E '^(fake|standin)_' | grep -E -- "${MERGANSER_MUTANT_TESTS:-}" |
    { if [ "$order" = backward ]; then cat; else grep -vE '^fake_(faults|little_memory)_'; fi; } |
    sed "s/^/$order /" | xargs -P "$jobs" -L 1 bash -c 'see "$0" "$1"'
  for file in "$work/seen/$order"-*; do
    awk -v order="$order" -v test="${file##*/"$order"-}" 'NR == 1 { time = $1 } NR > 1 { print $1, time, order, test }' \
      "$file"
  done | sort -k1,1n -k2,2g > "$work/tests"
  open_ones | xargs -r -P "$jobs" -n 1 bash -c 'try "$0"'
done

# The best that was said of each.
sort -t $'\t' -k1,1 -k2,2r "$work/results" | awk -F'\t' '
  $2 ~ /^caught/ || !($1 in said) || said[$1] ~ /^NO TEST/ { if (said[$1] !~ /^caught/) said[$1] = $2 }
  END { for (number in said) print number "\t" said[number] }' | sort -t $'\t' -k1,1 > "$work/said"
join -t $'\t' <(sort -t $'\t' -k1,1 "$work/list") "$work/said" | grep -E -- "$part" | sort -n > "$work/report"
grep -vF $'\tcaught by ' "$work/report" | cut -f2- || true
awk -F'\t' '
  { ++planted[$4]; if ($6 ~ /^caught/) ++caught[$4]; else ++missed }
  END {
    print "| mistake | planted | caught |\n|---|---:|---:|"
    for (kind in planted) print "| " kind " | " planted[kind] " | " caught[kind] + 0 " |" | "sort"
    close("sort")
    exit missed > 0
  }' "$work/report"
