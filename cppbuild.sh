#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the native library: the only entry to CMake. Downloads nothing.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: cppbuild.sh [OPTION]... install|fake-device|build-test|test|check|gpu-check|gpu-check-java|resources|clean

  install    build libmerganser.so, and libmerganser_cuda.so where nvcc works, and put them with the headers into
             native/cppbuild/NAME/{lib,include}
  fake-device
             build the device in host memory on which the tests of Java run too
  build-test build the native tests, with -sanitize= under the sanitizers, and run none
  test       build and run the native tests, once for every instruction-set level of this CPU, on the fake device, and
             with the CUDA plug-in compiled for the host; with -sanitize= once, under the sanitizers
  check      check the installed libraries: needed libraries, search path, exports, instructions, glibc version;
             compile the portable form for aarch64 if aarch64-linux-gnu-g++ is there
  gpu-check  run every routine of the CUDA plug-in on this machine's GPU, against its oracle and the CPU; measure the
             limits of the card and the times of large problems; then once more in brief under compute-sanitizer's
             memcheck, racecheck, synccheck and initcheck. Needs no Java, but OpenBLAS unpacked (-deps); planned for
             6 minutes. Exit status: 0 all agree, 1 a difference or what a sanitizer found, 2 something could not be
             run (no cuBLAS, cuSOLVER or compute-sanitizer), 3 no usable GPU; all of it is in the file
  gpu-check-java
             run the tests of core on this machine's GPU instead of the fake device: needs Maven and what it downloads.
             -only=NAME[,NAME] takes some classes. Exit status: 0 passed, 1 failed, 3 no usable GPU
  resources  print what each kernel takes of a multiprocessor (registers, shared memory, spills, occupancy) as Markdown
  clean      remove native/cppbuild/NAME

  -platform=NAME   linux-x86_64 and so on (default: this machine)
  -deps=DIR        folder with org/bytedeco/openblas/NAME/libopenblas.so.0, the unpacked OpenBLAS of Bytedeco
                   (default: $MERGANSER_DEPS, else native/target/deps)
  -cuda=auto|off|required
                   the CUDA plug-in: when nvcc works (default), never, or fail without it
  -sanitize=LIST   test: address, undefined, address,undefined or thread; builds into a folder of its own
  -only=NAME       test: the tests with NAME in their name, and the digests of the routines with it
  -out=FILE        gpu-check: where the results go, as JSON (default: gpu-check.json), and as Markdown with .md added
  -brief           gpu-check: small sizes, no sanitizers
  -architectures=LIST
                   resources: compute capabilities without the point, 90 by default

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
brief=
architectures=90
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
    -brief) brief=--brief ;;
    -architectures=?*) architectures=${argument#*=} ;;
    install | fake-device | build-test | test | check | gpu-check | gpu-check-java | resources | clean)
      commands+=("$argument") ;;
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

# Runs commands beside each other, as many as there are processors, and shows what each printed when it has ended.
beside() {
  local each started=0 jobs=${MERGANSER_JOBS:-$(getconf _NPROCESSORS_ONLN)} logs=$build/logs
  rm -rf "$logs"
  mkdir -p "$logs"
  for each in "$@"; do
    [ "$started" -lt "$jobs" ] || wait -n
    {
      $each > "$logs/$started" 2>&1 || touch "$logs/failed"
      cat "$logs/$started"
    } &
    started=$((started + 1))
  done
  wait
  [ ! -e "$logs/failed" ] || fail "native tests failed"
}

# The CUDA plug-in on the host takes longest, and goes first: its threads in three orders, one in full, two in short.
run_tests() {
  configure
  with_plugin || rm -f "$build/libmerganser_cuda.so"
  compile merganser_test
  local level levels first runs=()
  levels=$("$build/merganser_test" --levels)
  for level in $levels; do runs+=("run_on_level $level"); done
  beside "run_on_standin forward" "run_on_standin backward" "run_on_standin shuffled" "${runs[@]}" run_on_fake_device
  first=${levels%%$'\n'*}
  for level in $levels; do
    cmp -s "$build/digests-$first" "$build/digests-$level" ||
      fail "$level gives other bytes than $first: $(diff "$build/digests-$first" "$build/digests-$level")"
  done
  [ -n "$only" ] || brief_gpu_check
}

run_on_level() {
  echo "MERGANSER_ISA=$1"
  MERGANSER_ISA=$1 "$build/merganser_test" "$only" &&
    MERGANSER_ISA=$1 "$build/merganser_test" --digest "$only" > "$build/digests-$1"
}

# The fake device shows where Java leaves data.
run_on_fake_device() {
  echo "the fake device"
  MERGANSER_CUDA_PLUGIN=$build/libmerganser_fake.so "$build/merganser_test" "${only:-fake_}"
}

# Threads shuffled have memory in exact pieces: what is written behind one shows, and to a sanitizer what is read.
run_on_standin() {
  local name exact=0
  [ "$1" != shuffled ] || exact=1
  echo "the CUDA plug-in on the host, threads $1"
  for name in ${only:-fake_ standin_}; do
    MERGANSER_STANDIN_ORDER=$1 MERGANSER_CUDA_EXACT_MEMORY=$exact \
      MERGANSER_CUDA_PLUGIN=$build/libmerganser_standin.so "$build/merganser_test" "$name" || return 1
  done
}

# That gpu-check itself runs, without a GPU: its times mean nothing here.
brief_gpu_check() {
  echo "gpu-check in brief, on the host"
  local log=$build/gpu-check-on-host
  MERGANSER_CUDA_PLUGIN=$build/libmerganser_standin.so "$build/merganser_test" --gpu-check "$log.json" --brief \
    > "$log.log" || { cat "$log.log"; fail "gpu-check fails on the host"; }
}

# The tests on the widest level, the loops of the portable one, the fake device, and the CUDA plug-in in one order.
run_sanitized() {
  configure
  compile merganser_test
  # Tests ask for more memory than there is.
  export ASAN_OPTIONS=allocator_may_return_null=1:detect_stack_use_after_return=1:strict_string_checks=1:handle_sigill=1
  export UBSAN_OPTIONS=print_stacktrace=1
  export TSAN_OPTIONS=allocator_may_return_null=1
  # The thread sanitizer does not know of fibers.
  local standin=("run_on_standin shuffled")
  [ "$sanitize" != thread ] || standin=()
  beside "${standin[@]}" run_on_widest_level run_on_fake_device run_loops
}

run_on_widest_level() {
  echo "$sanitize: tests"
  "$build/merganser_test" "$only"
}

run_loops() {
  echo "$sanitize: conversions, sums, assignments, moments of the portable level"
  MERGANSER_ISA=portable "$build/merganser_test" --digest "$only" > "$build/digests-portable"
}

# Leaves its exit status in `status`: a function called in a condition would go on after a failed compilation.
gpu_check() {
  configure
  with_plugin || rm -f "$build/libmerganser_cuda.so"
  compile merganser_test
  "$build/merganser_test" --gpu-check "$out" $brief || status=$?
  [ -z "$brief" ] && [ "$status" != 3 ] || return 0
  local tool verdict verdicts= rows=
  for tool in memcheck racecheck synccheck initcheck; do
    sanitize_gpu "$tool"
    echo "compute-sanitizer, $tool: $verdict"
    verdicts+="${verdicts:+, }\"$tool\": \"$verdict\""
    rows+="| $tool | $verdict |"$'\n'
  done
  # The file ends with the brace of its object.
  sed -i -e '$d' "$out"
  sed -i -e '$s/$/,/' "$out"
  printf '  "compute_sanitizer": {%s}\n}\n' "$verdicts" >> "$out"
  printf '\n| compute-sanitizer | |\n|---|---|\n%s' "$rows" >> "$out.md"
}

# Leaves what a tool found in `verdict`. Memory in exact pieces, of which none is used again, as their bounds are all
# that memcheck knows. Hazards within kernels of cuBLAS and cuSOLVER are not ours; what these read and write is.
sanitize_gpu() {
  local found=0 ours=()
  case $1 in racecheck | synccheck) ours=(--kernel-name kns=merganser) ;; esac
  if ! command -v compute-sanitizer > /dev/null; then
    verdict="not run: compute-sanitizer was not found"
    [ "$status" != 0 ] || status=2
    return 0
  fi
  MERGANSER_CUDA_EXACT_MEMORY=1 timeout 50 compute-sanitizer --tool "$1" "${ours[@]}" --error-exitcode 99 \
    "$build/merganser_test" --gpu-check "$out.$1" --brief > "$out.$1.log" 2>&1 || found=$?
  case $found in
    0) verdict=clean; return 0 ;;
    # The status of the program, which hides what the tool found.
    2) verdict="not all could be run, see $out.$1.log"; [ "$status" != 0 ] || status=2; return 0 ;;
    99) verdict="errors, see $out.$1.log" ;;
    124) verdict="not finished in 50 s, see $out.$1.log" ;;  # which is no pass
    *) verdict="exit status $found, see $out.$1.log" ;;
  esac
  status=1
  tail -5 "$out.$1.log"
}

# The second execution of Surefire, which is that of the fake device, with the plug-in of the GPU instead.
gpu_check_java() {
  local reason tests=()
  configure
  with_plugin || fail "gpu-check-java: this build has no CUDA plug-in: nvcc was not found, or -cuda=off"
  compile merganser_test
  reason=$("$build/merganser_test" --cuda-reason)
  if [ -n "$reason" ]; then
    echo "gpu-check-java: no usable GPU: $reason" >&2
    status=3
    return
  fi
  [ -z "$only" ] || tests=("-Dtest=$only" -Dsurefire.failIfNoSpecifiedTests=false)
  mvn -B -pl java/core -am "${tests[@]}" -Pgpu -Dnative.test.skip=true package -f "$root/pom.xml" || status=1
}

status=0
for each in "${commands[@]}"; do
  case $each in
    install) install_library ;;
    fake-device) configure; compile merganser_fake ;;
    build-test) configure; compile merganser_test ;;
    test) if [ -n "$sanitize" ]; then run_sanitized; else run_tests; fi ;;
    check) bash "$source_folder/test/check_libraries.sh" "$prefix" "$build" "$source_folder" ;;
    gpu-check) gpu_check; [ "$status" = 0 ] || exit "$status" ;;
    gpu-check-java) gpu_check_java; [ "$status" = 0 ] || exit "$status" ;;
    resources) bash "$source_folder/cuda/resources.sh" "$source_folder" ${architectures//,/ } ;;
    clean) rm -rf "$prefix" ;;
  esac
done
