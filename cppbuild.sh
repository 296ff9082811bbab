#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the native library: the only entry to CMake. Downloads nothing.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: cppbuild.sh [-platform=NAME] [-deps=DIR] install|test|clean

  install  build libmerganser.so and put it with merganser.h into native/cppbuild/NAME/{lib,include}
  test     build and run the native tests, once for every instruction-set level of this CPU
  clean    remove native/cppbuild/NAME

  -platform=NAME  linux-x86_64 and so on (default: this machine)
  -deps=DIR       folder with org/bytedeco/openblas/NAME/libopenblas.so.0, the unpacked OpenBLAS of Bytedeco
                  (default: $MERGANSER_DEPS, else native/target/deps)

  MERGANSER_VERSION  version that mg_version() reports (default 0.1.0-SNAPSHOT)
  MERGANSER_JOBS     parallel compilations (default: number of processors)
TEXT
}

fail() {
  echo "cppbuild.sh: $*" >&2
  exit 1
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
platform=
deps=${MERGANSER_DEPS:-$root/native/target/deps}
commands=()
for argument in "$@"; do
  case $argument in
    -h | -help | --help) usage; exit 0 ;;
    -platform=?*) platform=${argument#*=} ;;
    -deps=?*) deps=${argument#*=} ;;
    install | test | clean) commands+=("$argument") ;;
    *) usage >&2; fail "unknown argument: $argument" ;;
  esac
done
[ ${#commands[@]} -gt 0 ] || { usage >&2; fail "no command given"; }

if [ -z "$platform" ]; then
  machine=$(uname -m)
  [ "$machine" = aarch64 ] && machine=arm64
  platform=$(uname -s | tr '[:upper:]' '[:lower:]')-$machine
fi
case $platform in
  linux-*) ;;
  *) fail "platform $platform is not supported; known: linux-x86_64" ;;
esac

source_folder=$root/native/src/main/cpp
prefix=$root/native/cppbuild/$platform
build=$prefix/build

configure() {
  command -v cmake > /dev/null || fail "cmake was not found; install CMake 3.18 or newer"
  command -v "${CXX:-g++}" > /dev/null || fail "${CXX:-g++} was not found; install a C++17 compiler"
  [ -d "$deps" ] || fail "no folder $deps: unpack OpenBLAS there (mvn does it in the native module), or give -deps=DIR"
  local openblas
  openblas=$(cd "$deps" && pwd)/org/bytedeco/openblas/$platform
  [ -f "$openblas/libopenblas.so.0" ] || fail "no OpenBLAS at $openblas/libopenblas.so.0: unpack org.bytedeco:openblas with classifier $platform, or give -deps=DIR"
  local generator=()
  if [ ! -f "$build/CMakeCache.txt" ] && command -v ninja > /dev/null; then
    generator=(-G Ninja)
  fi
  cmake -S "$source_folder" -B "$build" "${generator[@]}" -DCMAKE_CXX_COMPILER="${CXX:-g++}" \
    -DMERGANSER_OPENBLAS="$openblas" -DMERGANSER_VERSION="${MERGANSER_VERSION:-0.1.0-SNAPSHOT}" > /dev/null
}

compile() {
  cmake --build "$build" --target "$1" --parallel "${MERGANSER_JOBS:-$(getconf _NPROCESSORS_ONLN)}"
}

# Copies only what changed, so that time stamps stay.
publish() {
  mkdir -p "$(dirname "$2")"
  cmp -s "$1" "$2" || cp -f "$1" "$2"
}

install_library() {
  configure
  compile merganser
  publish "$source_folder/merganser.h" "$prefix/include/merganser.h"
  publish "$build/libmerganser.so" "$prefix/lib/libmerganser.so"
}

run_tests() {
  configure
  compile merganser_test
  local level digest first=
  for level in $("$build/merganser_test" --levels); do
    echo "MERGANSER_ISA=$level"
    MERGANSER_ISA=$level "$build/merganser_test"
    digest=$(MERGANSER_ISA=$level "$build/merganser_test" --digest)
    first=${first:-$digest}
    [ "$digest" = "$first" ] || fail "$level gives other bytes than portable: digest $digest, expected $first"
  done
}

for each in "${commands[@]}"; do
  case $each in
    install) install_library ;;
    test) run_tests ;;
    clean) rm -rf "$prefix" ;;
  esac
done
