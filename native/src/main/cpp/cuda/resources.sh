#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What each kernel of the plug-in takes of a multiprocessor, as a Markdown table: cppbuild.sh resources. A kernel that is
# compiled in several forms (types, numbers of models) has one line, with the least and the most of them.
# Arguments: the sources, and architectures (90 and so on). Makes the PTX of every .cu that the plug-in has, assembles it for
# each of them and reads what ptxas says: of the libraries themselves cuobjdump tells everything but spills, and is not part
# of every toolkit. Needs nvcc, ptxas and c++filt. MERGANSER_JOBS: files at once.
set -euo pipefail

sources=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# architecture, PTX: lines "entry NAME", "threads N" (of a block), "frame STACK STORES LOADS", "used TEXT"
measure() {
  local log
  log=$(ptxas "-arch=sm_$1" -v -o /dev/null "$2" 2>&1) ||
    { echo "$log" >&2; echo "resources.sh: ptxas failed on $2" >&2; return 1; }
  awk '/^\.(visible |weak )?\.?entry|\.entry /{ name = $0; sub(/.*\.entry /, "", name); sub(/\(.*/, "", name) }
       /^\.maxntid/ { gsub(",", ""); print "threads", name, $2 * ($3 ? $3 : 1) * ($4 ? $4 : 1) }' "$2"
  sed -n "s/.*Compiling entry function '\([^']*\)'.*/entry \1/p
          s/^ *\([0-9]*\) bytes stack frame, \([0-9]*\) bytes spill stores, \([0-9]*\) bytes spill loads/frame \1 \2 \3/p
          s/.*: Used \([0-9]* registers.*\)/used \1/p" <<< "$log"
}

# Limits of a multiprocessor: warps, blocks, bytes of shared memory (CUDA C++ programming guide, compute capabilities).
# All have 65536 registers, given out to warps in portions of 256, and keep 1024 bytes of shared memory for each block.
limits() {
  case $1 in
    80) echo 64 32 167936 ;;
    86) echo 48 16 102400 ;;
    89 | 120) echo 48 24 102400 ;;
    90 | 100) echo 64 32 233472 ;;
    *) echo "resources.sh: the limits of sm_$1 are not known here" >&2; return 1 ;;
  esac
}

# stdin: what measure() wrote; a line for each kernel: "NAME|block|registers|shared|stack|spilled|occupancy"
kernels_of() {
  awk -v limit="$1" '
    BEGIN { split(limit, most, " ") }
    function ceiling(value, step) { return int((value + step - 1) / step) * step }
    function least(a, b) { return a < b ? a : b }
    $1 == "threads" { threads[$2] = $3 }
    $1 == "entry" { name = $2 }
    $1 == "frame" && name != "" { stack = $2; spilled = $3 + $4 }
    $1 == "used" && name != "" {
      registers = $2
      shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) + 0 : 0
      block = threads[name]
      if (!block) { print "resources.sh: " name " has no __launch_bounds__" > "/dev/stderr"; exit 1 }
      warps = ceiling(block, 32) / 32
      fit = int(int(65536 / ceiling(registers * 32, 256)) / 4) * 4
      blocks = least(least(int(fit / warps), int(most[1] / warps)), most[2])
      blocks = least(blocks, int(most[3] / ceiling(shared + 1024, 128)))
      print name "|" block "|" registers "|" shared "|" stack "|" spilled "|" int(100 * blocks * warps / most[1] + 0.5)
      name = ""
    }' | c++filt -p | sed -E ':inner; s/<[^<>]*>//; t inner; s/^[^|]*:://'
}

# stdin: lines of kernels_of(); "NAME|file|forms|block|registers|shared|stack|spilled|occupancy" for each name.
rows_of() {
  awk -F'|' -v file="$1" '
    function range(low, high) { return low == high ? low : low " to " high }
    { if (!($1 in forms)) order[++kernels] = $1
      ++forms[$1]
      for (i = 2; i <= 7; ++i) {
        if (forms[$1] == 1 || $i < low[$1, i]) low[$1, i] = $i + 0
        if (forms[$1] == 1 || $i > high[$1, i]) high[$1, i] = $i + 0
      } }
    END {
      for (k = 1; k <= kernels; ++k) {
        row = order[k] "|" file "|" forms[order[k]]
        for (i = 2; i <= 7; ++i) row = row "|" range(low[order[k], i], high[order[k], i])
        print row " %"
      } }'
}

# file, architectures: ARCHITECTURE-FILE.rows of each
rows_of_file() {
  local file architecture report limit ptx
  file=$(basename "$1")
  ptx=$work/$file.ptx
  nvcc -arch=compute_80 -std=c++17 -fmad=false -ptx -I "$sources" -DMERGANSER_PLUGIN='""' \
    -DMERGANSER_CUDA_CAPABILITIES='""' -o "$ptx" "$1" || { echo "resources.sh: nvcc failed on $1" >&2; return 1; }
  for architecture in "${@:2}"; do
    limit=$(limits "$architecture")
    report=$(measure "$architecture" "$ptx")
    kernels_of "$limit" <<< "$report" | rows_of "$file" > "$work/$architecture-$file.rows"
  done
}

jobs=${MERGANSER_JOBS:-$(getconf _NPROCESSORS_ONLN)} started=0
for file in "$sources"/cuda/*.cu; do
  [ "$started" -lt "$jobs" ] || wait -n
  rows_of_file "$file" "$@" &
  started=$((started + 1))
done
wait
for architecture in "$@"; do
  for file in "$sources"/cuda/*.cu; do cat "$work/$architecture-$(basename "$file").rows"; done > "$work/$architecture.rows"
done

# One table; what differs between architectures stands in their order.
names=("${@/#/sm_}") rows=("${@/%/.rows}")
rows=("${rows[@]/#/$work/}")
echo "| kernel on ${names[*]} | file | forms | block | registers | shared | stack | spilled | occupancy |" |
  sed 's: sm_: / sm_:2g'
echo "|---|---|---:|---:|---:|---:|---:|---:|---:|"
awk -F'|' '
  FNR == 1 { ++files }
  { key = $1 "|" $2
    if (files == 1) order[++kernels] = key
    for (i = 3; i <= 9; ++i) {
      all[key, i] = files == 1 ? $i : all[key, i] " / " $i
      if (files == 1) first[key, i] = $i
      if ($i != first[key, i]) differs[key, i] = 1
    } }
  END {
    for (k = 1; k <= kernels; ++k) {
      split(order[k], name, "|")
      row = "| `" name[1] "` | " name[2]
      for (i = 3; i <= 9; ++i) row = row " | " (differs[order[k], i] ? all[order[k], i] : first[order[k], i])
      print row " |"
    } }' "${rows[@]}"
