#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the native library: the only entry to CMake. Downloads nothing.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: cppbuild.sh [OPTION]... install|fake-device|test|check|gpu-check|clean

  install    build libmerganser.so, and libmerganser_cuda.so where nvcc works, and put them with the headers into
             native/cppbuild/NAME/{lib,include}
  fake-device
             build the device in host memory on which the tests of Java run too
  test       build and run the native tests, once for every instruction-set level of this CPU, on the fake device, and
             with the CUDA plug-in compiled for the host; with -sanitize= once, under the sanitizers
  check      check the installed libraries: needed libraries, search path, exports, instructions, glibc version;
             compile the portable form for aarch64 if aarch64-linux-gnu-g++ is there
  gpu-check  run every routine of the CUDA plug-in on this machine's GPU, against its oracle and the CPU, with times;
             what the plug-in lacks is skipped and named. Needs no Java.
             Exit status: 0 all agree, 1 a difference, 3 no usable GPU (the reason is in the file)
  clean      remove native/cppbuild/NAME

  -platform=NAME   linux-x86_64 and so on (default: this machine)
  -deps=DIR        folder with org/bytedeco/openblas/NAME/libopenblas.so.0, the unpacked OpenBLAS of Bytedeco
                   (default: $MERGANSER_DEPS, else native/target/deps)
  -cuda=auto|off|required
                   the CUDA plug-in: when nvcc works (default), never, or fail without it
  -sanitize=LIST   test: address, undefined, address,undefined or thread; builds into a folder of its own
  -only=NAME       test: the tests with NAME in their name, and the digests of the routines with it
  -out=FILE        gpu-check: where the results go, as JSON (default: gpu-check.json)
  -sanitizer       gpu-check: run under compute-sanitizer as well

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
cuda=auto
sanitize=
only=
out=gpu-check.json
compute_sanitizer=
commands=()
for argument in "$@"; do
  case $argument in
    -h | -help | --help) usage; exit 0 ;;
    -platform=?*) platform=${argument#*=} ;;
    -deps=?*) deps=${argument#*=} ;;
    -cuda=auto | -cuda=off | -cuda=required) cuda=${argument#*=} ;;
    -sanitize=address | -sanitize=undefined | -sanitize=address,undefined | -sanitize=thread)
      sanitize=${argument#*=} ;;
    -only=?*) only=${argument#*=} ;;
    -out=?*) out=${argument#*=} ;;
    -sanitizer) compute_sanitizer=yes ;;
    install | fake-device | test | check | gpu-check | clean) commands+=("$argument") ;;
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
if [ -n "$sanitize" ]; then
  build=$prefix/build-${sanitize//,/-}
  cuda=off
fi

configure() {
  command -v cmake > /dev/null || fail "cmake was not found; install CMake 3.18 or newer"
  command -v "${CXX:-g++}" > /dev/null || fail "${CXX:-g++} was not found; install a C++17 compiler"
  [ -d "$deps" ] || fail "no folder $deps: unpack OpenBLAS there (mvn does it in the native module), or give -deps=DIR"
  local openblas
  openblas=$(cd "$deps" && pwd)/org/bytedeco/openblas/$platform
  [ -f "$openblas/libopenblas.so.0" ] || fail "no OpenBLAS at $openblas/libopenblas.so.0: unpack org.bytedeco:openblas with classifier $platform, or give -deps=DIR"
  local generator=()
  # CMake's cache is of one place and one compiler: with another it would drop our settings half-way.
  local compiler
  compiler=$(command -v "${CXX:-g++}")
  if [ -f "$build/CMakeCache.txt" ] \
      && ! { grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$source_folder" "$build/CMakeCache.txt" \
        && grep -q "^CMAKE_CXX_COMPILER:[A-Z]*=$compiler\$" "$build/CMakeCache.txt"; }; then
    rm -rf "$build"
  fi
  if [ ! -f "$build/CMakeCache.txt" ] && command -v ninja > /dev/null; then
    generator=(-G Ninja)
  fi
  # CMake's progress is noise; what it says about the plug-in is not.
  local log
  log=$(cmake -S "$source_folder" -B "$build" "${generator[@]}" -DCMAKE_CXX_COMPILER="$compiler" \
    -DMG_CUDA="${cuda^^}" -DMERGANSER_SANITIZE="$sanitize" \
    -DMERGANSER_OPENBLAS="$openblas" -DMERGANSER_VERSION="${MERGANSER_VERSION:-0.1.0-SNAPSHOT}")
  grep '^-- CUDA plug-in' <<< "$log" || true
}

compile() {
  cmake --build "$build" --target "$@" --parallel "${MERGANSER_JOBS:-$(getconf _NPROCESSORS_ONLN)}"
}

# Whether this build folder has the plug-in.
with_plugin() {
  cmake --build "$build" --target help | grep -q 'merganser_cuda'
}

# Copies only what changed, so that time stamps stay. Beside the old file, then in its place: written in place, a library
# that a process has loaded would change under it.
publish() {
  mkdir -p "$(dirname "$2")"
  if ! cmp -s "$1" "$2"; then
    cp -f "$1" "$2.new"
    mv -f "$2.new" "$2"
  fi
}

install_library() {
  configure
  compile merganser
  local header
  for header in merganser.h merganser_testing.h; do publish "$source_folder/$header" "$prefix/include/$header"; done
  publish "$build/libmerganser.so" "$prefix/lib/libmerganser.so"
  if with_plugin; then
    compile merganser_cuda
    publish "$build/libmerganser_cuda.so" "$prefix/lib/libmerganser_cuda.so"
  else
    rm -f "$build/libmerganser_cuda.so" "$prefix/lib/libmerganser_cuda.so"
  fi
}

run_tests() {
  configure
  with_plugin || rm -f "$build/libmerganser_cuda.so"
  compile merganser_test
  local level digest first=
  for level in $("$build/merganser_test" --levels); do
    echo "MERGANSER_ISA=$level"
    MERGANSER_ISA=$level "$build/merganser_test" "$only"
    digest=$(MERGANSER_ISA=$level "$build/merganser_test" --digest "$only")
    first=${first:-$digest}
    [ "$digest" = "$first" ] ||
      fail "$level gives other bytes than portable: $(diff <(echo "$first") <(echo "$digest"))"
  done
  run_on_devices
}

# The fake device, which shows where Java leaves data; then the CUDA plug-in on the host, with its threads in three
# orders.
run_on_devices() {
  echo "the fake device"
  MERGANSER_CUDA_PLUGIN=$build/libmerganser_fake.so "$build/merganser_test" "${only:-fake_}"
  local order name
  for order in forward backward shuffled; do
    echo "the CUDA plug-in on the host, threads $order"
    for name in ${only:-fake_ standin_}; do
      MERGANSER_STANDIN_ORDER=$order MERGANSER_CUDA_PLUGIN=$build/libmerganser_standin.so "$build/merganser_test" "$name"
    done
  done
}

# The tests on the widest level, the loops of the other levels, and the fake device.
run_sanitized() {
  configure
  compile merganser_test
  # Tests ask for more memory than there is.
  export ASAN_OPTIONS=allocator_may_return_null=1:detect_stack_use_after_return=1:strict_string_checks=1
  export UBSAN_OPTIONS=print_stacktrace=1
  export TSAN_OPTIONS=allocator_may_return_null=1
  local level
  for level in $("$build/merganser_test" --levels); do
    echo "$sanitize, MERGANSER_ISA=$level: conversions, sums, assignments, moments"
    MERGANSER_ISA=$level "$build/merganser_test" --digest "$only"
  done
  echo "$sanitize: tests"
  "$build/merganser_test" "$only"
  run_on_devices
}

# Leaves its exit status in `status`: a function called in a condition would go on after a failed compilation.
gpu_check() {
  configure
  with_plugin || rm -f "$build/libmerganser_cuda.so"
  compile merganser_test
  "$build/merganser_test" --gpu-check "$out" || status=$?
  if [ "$status" = 0 ] && [ -n "$compute_sanitizer" ]; then
    if command -v compute-sanitizer > /dev/null; then
      compute-sanitizer --tool memcheck --error-exitcode 1 "$build/merganser_test" --gpu-check "$out.sanitizer" --brief \
        || status=1
    else
      echo "compute-sanitizer was not found: not run" >&2
    fi
  fi
}

status=0
for each in "${commands[@]}"; do
  case $each in
    install) install_library ;;
    fake-device) configure; compile merganser_fake ;;
    test) if [ -n "$sanitize" ]; then run_sanitized; else run_tests; fi ;;
    check) bash "$source_folder/test/check_libraries.sh" "$prefix" "$build" "$source_folder" ;;
    gpu-check) gpu_check; [ "$status" = 0 ] || exit "$status" ;;
    clean) rm -rf "$prefix" ;;
  esac
done
