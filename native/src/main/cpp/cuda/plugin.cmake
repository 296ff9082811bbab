# SPDX-License-Identifier: Apache-2.0
# libmerganser_cuda.so, built where nvcc works. It needs nothing but nvcc: the runtime is linked statically.
if(NOT MG_CUDA MATCHES "^(AUTO|OFF|REQUIRED)$")
  message(FATAL_ERROR "MG_CUDA=${MG_CUDA} is not one of AUTO, OFF, REQUIRED")
endif()
if(MG_CUDA STREQUAL "OFF")
  message(STATUS "CUDA plug-in: not built, MG_CUDA=OFF")
  return()
endif()

# The default of CMake may be an architecture that this compiler no longer has; the real list is set below.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES OFF)
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(MG_CUDA STREQUAL "REQUIRED")
    message(FATAL_ERROR "CUDA plug-in: MG_CUDA=REQUIRED, but nvcc was not found or does not work")
  endif()
  message(STATUS "CUDA plug-in: not built, nvcc was not found or does not work")
  return()
endif()
enable_language(CUDA)

# Code for every major architecture, because a driver older than the toolkit cannot compile its PTX: cards of 8.6 and 8.9
# run that of 8.0. All of it comes from one PTX, which is kept for what comes later: no kernel asks for more than 8.0 has,
# and the compiler's front runs once.
set(architectures 80 90)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
  list(APPEND architectures 100 120)
endif()
list(TRANSFORM architectures REPLACE "^(.+)(.)$" "\\1.\\2" OUTPUT_VARIABLE capabilities)
list(JOIN capabilities ", " capabilities)
list(TRANSFORM architectures PREPEND "sm_")
list(JOIN architectures "," architectures)
message(STATUS "CUDA plug-in: nvcc ${CMAKE_CUDA_COMPILER_VERSION}, capabilities ${capabilities} and newer")

# Only what has kernels goes through nvcc.
file(GLOB cuda_sources CONFIGURE_DEPENDS cuda/*.cu cuda/*.cpp)
add_library(merganser_cuda SHARED ${cuda_sources} runtime/error.cpp $<TARGET_OBJECTS:merganser_shared>)
target_include_directories(merganser_cuda PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_include_directories(merganser_cuda SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
target_compile_definitions(merganser_cuda PRIVATE MERGANSER_PLUGIN "${version}"
  "MERGANSER_CUDA_CAPABILITIES=\"${capabilities} and newer\"")
# No contraction and no flushing: the same bytes as on the CPU.
set(host_flags "-Wall,-Wextra,-fvisibility=hidden,-ffile-prefix-map=${CMAKE_CURRENT_SOURCE_DIR}=.")
target_compile_options(merganser_cuda PRIVATE
  "$<$<COMPILE_LANGUAGE:CUDA>:--generate-code=arch=compute_80,code=[compute_80,${architectures}];-fmad=false;--Werror=all-warnings;-Xcompiler=${host_flags}>"
  "$<$<COMPILE_LANGUAGE:CXX>:${flags};-fvisibility=hidden;-fvisibility-inlines-hidden>")
target_link_options(merganser_cuda PRIVATE -static-libstdc++ -static-libgcc -pthread -Wl,--exclude-libs,ALL
  -Wl,--no-undefined -Wl,-z,now "-Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/merganser_cuda.map")
set_target_properties(merganser_cuda PROPERTIES
  CUDA_ARCHITECTURES OFF
  CUDA_STANDARD 17
  CUDA_STANDARD_REQUIRED ON
  CUDA_RUNTIME_LIBRARY Static
  LINKER_LANGUAGE CXX
  BUILD_WITH_INSTALL_RPATH ON
  INSTALL_RPATH ""
  LINK_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/merganser_cuda.map")
