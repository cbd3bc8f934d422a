# Flags of every target. Warnings are errors. Contraction to fused multiply-add is off because a compiler that fuses in
# one build and not in another would change a token's bits; kernels ask for FMA where they mean it.
add_library(fathom_flags INTERFACE)
target_compile_options(fathom_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wpedantic -Werror
  -ffp-contract=off -fno-math-errno)
target_include_directories(fathom_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports these inside its own standard library and intrinsics at -O2 and above.
  target_compile_options(fathom_flags INTERFACE
    -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds -Wno-maybe-uninitialized
    -Wno-uninitialized -Wno-dangling-pointer)
endif()

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # GCC, which builds the program, does not count constants that one of several instruction sets leaves unused.
  target_compile_options(fathom_flags INTERFACE -Wno-unused-const-variable)
endif()

if(FATHOM_SANITIZE)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # The instrumented intrinsics of GCC 12's own headers look uninitialised to it; Asio holds fences, of which the
    # thread sanitizer knows nothing, beside locks, of which it does.
    target_compile_options(fathom_flags INTERFACE -Wno-uninitialized -Wno-tsan)
  endif()
  target_compile_options(fathom_flags INTERFACE
    -fsanitize=${FATHOM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(fathom_flags INTERFACE -fsanitize=${FATHOM_SANITIZE})
endif()

# The fuzzer steers by the branches that it sees taken, so the libraries report theirs as well as the targets.
if(FATHOM_FUZZ)
  target_compile_options(fathom_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Instruction sets of kernel sources, by the ending of the file's name; chosen at run time in kernels/kernels.cc.
set(FATHOM_ISA_avx2 -mavx2 -mfma -mf16c)
set(FATHOM_ISA_avx512 ${FATHOM_ISA_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl)
set(FATHOM_ISA_avx512bf16 ${FATHOM_ISA_avx512} -mavx512bf16 -mavx512vbmi -mavx512vnni -mgfni)
set(FATHOM_ISA_amx ${FATHOM_ISA_avx512bf16} -mamx-tile -mamx-bf16 -mamx-int8)
