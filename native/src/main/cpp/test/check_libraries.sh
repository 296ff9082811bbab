#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks what was built, by its files alone: cppbuild.sh check. Arguments: folder with lib/, build folder, sources.
set -euo pipefail

prefix=$1 build=$2 sources=$3
failures=0

bad() {
  echo "BAD  $*"
  failures=$((failures + 1))
}

needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
exports() { nm -D --defined-only "$1" | awk '{ print $3 }' | sed 's/@.*//'; }
glibc() { objdump -T "$1" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1; }

# library, allowed NEEDED, allowed RUNPATH, pattern of its exports
check_library() {
  local library=$1 allowed=$2 runpath=$3 pattern=$4 name each found
  name=$(basename "$library")
  for each in $(needed "$library"); do
    grep -qxE "$allowed" <<< "$each" || bad "$name needs $each"
  done
  found=$(readelf -d "$library" | sed -n 's/.*(\(RPATH\|RUNPATH\)).*\[\(.*\)\]/\1 \2/p')
  [ "$found" = "$runpath" ] || bad "$name has search path '$found', expected '$runpath'"
  for each in $(exports "$library"); do
    grep -qxE "$pattern" <<< "$each" || bad "$name exports $each"
  done
  [ -n "$(exports "$library")" ] || bad "$name exports nothing"
  [ -z "$(strings -a "$library" | grep -F "$sources" || true)" ] || bad "$name contains the path of its sources"
  echo "     $name: $(exports "$library" | wc -l) exported, needs $(needed "$library" | tr '\n' ' ')and $(glibc "$library")"
}

system='libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0|librt\.so\.1|ld-linux.*'
library=$prefix/lib/libmerganser.so
[ -f "$library" ] || { echo "no $library: cppbuild.sh install first" >&2; exit 1; }
check_library "$library" "libopenblas\.so\.0|$system" 'RUNPATH $ORIGIN' 'mg_[a-z0-9_]+'

declared=$(sed -n 's/^MG_API [^(]*[ *]\(mg_[a-z0-9_]*\)(.*/\1/p' "$sources"/merganser*.h | sort)
[ "$declared" = "$(exports "$library" | sort)" ] ||
  bad "exports differ from merganser.h and merganser_testing.h: $(comm -3 <(echo "$declared") <(exports "$library" | sort) | tr '\n\t' '  ')"

# Symbols and texts of the tests' fake device.
[ -z "$(strings -a "$library" | grep -i fake || true)" ] || bad "libmerganser.so contains the fake device of the tests"
[ ! -e "$prefix/lib/libmerganser_fake.so" ] || bad "libmerganser_fake.so is among the installed libraries"

plugin=$prefix/lib/libmerganser_cuda.so
if [ -f "$plugin" ]; then
  check_library "$plugin" "$system" '' 'mg_fill_table|mg_device_allocations'
  [ "$(exports "$plugin" | wc -l)" = 2 ] || bad "libmerganser_cuda.so exports other than two symbols"
  soname=$(readelf -d "$plugin" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
  [ "$soname" = libmerganser_cuda.so ] || bad "libmerganser_cuda.so has the soname '$soname'"
else
  echo "     libmerganser_cuda.so: not in this build"
fi

# Code for all CPUs must not use the wide registers; only the two files of their levels may. The other way round, a
# level without them would mean that the flags were lost.
if [[ $(uname -m) == x86_64 ]]; then
  wide() { objdump -d --no-show-raw-insn "$1" | grep -cE '%[yz]mm[0-9]' || true; }
  scanned=0
  while IFS= read -r object; do
    case $object in
      *kernels_avx*) [ "$(wide "$object")" != 0 ] || bad "$(basename "$object") uses no wide registers" ;;
      *) [ "$(wide "$object")" = 0 ] || bad "$(basename "$object") uses ymm or zmm registers" ;;
    esac
    scanned=$((scanned + 1))
  done < <(find "$build"/CMakeFiles/merganser{,_shared,_cuda}.dir -name '*.o' 2> /dev/null)
  [ "$scanned" -gt 0 ] || bad "no objects in $build"
  echo "     instructions: $scanned objects scanned"
fi

# The portable form: all sources compile for another processor, and its loops give the same bytes where qemu runs them.
cross=aarch64-linux-gnu-g++
if command -v $cross > /dev/null; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  flags=(-std=c++17 -O2 -ffp-contract=off -fno-math-errno -Wall -Wextra -Werror -I "$sources")
  objects=()
  for source in "$sources"/{abi,routines,runtime}/*.cpp "$sources"/kernels/kernels_portable.cpp; do
    object=$work/$(basename "$source" .cpp)_$(basename "$(dirname "$source")").o
    if $cross "${flags[@]}" '-DMERGANSER_VERSION="check"' -c "$source" -o "$object"; then
      objects+=("$object")
    else
      bad "$(basename "$source") does not compile for aarch64"
    fi
  done
  echo "     aarch64: ${#objects[@]} files compiled"
  runner=$(command -v qemu-aarch64 || command -v qemu-aarch64-static || true)
  if [ -n "$runner" ]; then
    $cross "${flags[@]}" -static "$sources/test/portable/elementwise_digest.cpp" "$work/kernels_portable_kernels.o" \
      -o "$work/digest"
    g++ "${flags[@]}" "$sources/test/portable/elementwise_digest.cpp" "$sources/kernels/kernels_portable.cpp" -o "$work/native"
    there=$("$runner" "$work/digest") here=$("$work/native")
    [ "$there" = "$here" ] || bad "aarch64 gives other bytes: $there, expected $here"
    echo "     aarch64: conversions and sums give the same bytes ($there)"
  else
    echo "     aarch64: not run, no qemu-aarch64"
  fi
else
  echo "     aarch64: skipped, no $cross"
fi

[ "$failures" = 0 ] || { echo "$failures checks failed" >&2; exit 1; }
echo "all checks passed"
