# fathom_library(NAME [LINK targets...] [PRIVATE_LINK targets...])
#
# One static library from the sources of the current folder and its subfolders, and from the files beside them:
#   *_test.cc   one test program, fathom_NAME_test, run by ctest
#   *_bench.cc  one benchmark program, fathom_NAME_bench
function(fathom_library NAME)
  cmake_parse_arguments(ARG "" "" "LINK;PRIVATE_LINK;TEST_LINK;BENCH_LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cc)
  file(GLOB_RECURSE tests CONFIGURE_DEPENDS *_test.cc)
  file(GLOB_RECURSE benches CONFIGURE_DEPENDS *_bench.cc)
  list(REMOVE_ITEM sources ${tests} ${benches})

  add_library(fathom_${NAME} STATIC ${sources})
  target_link_libraries(fathom_${NAME} PUBLIC fathom_flags ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK})
  fathom_isa_flags(${sources})
  if(FATHOM_FUZZ AND NAME MATCHES "^(kernels|ops)$")
    # Linked by what is fuzzed, never run by it, and most of the time that compiling takes.
    set_property(SOURCE ${sources} APPEND PROPERTY COMPILE_OPTIONS -O0 -g0 -fno-sanitize=all
                 -fno-sanitize-coverage=trace-pc-guard,inline-8bit-counters,trace-cmp,indirect-calls,pc-table)
  endif()

  if(tests AND NOT FATHOM_FUZZ)
    fathom_test(fathom_${NAME}_test ${tests})
    target_link_libraries(fathom_${NAME}_test PRIVATE fathom_${NAME} ${ARG_PRIVATE_LINK} ${ARG_TEST_LINK})
    fathom_isa_flags(${tests})
  endif()
  if(benches AND NOT FATHOM_FUZZ)
    add_executable(fathom_${NAME}_bench ${benches})
    target_link_libraries(fathom_${NAME}_bench PRIVATE fathom_${NAME} ${ARG_BENCH_LINK} benchmark::benchmark)
  endif()
endfunction()

# fathom_test(TARGET sources...): a GoogleTest program that ctest runs from the project's root.
function(fathom_test TARGET)
  add_executable(${TARGET} ${ARGN})
  target_link_libraries(${TARGET} PRIVATE GTest::gtest GTest::gtest_main)
  add_test(NAME ${TARGET} COMMAND ${TARGET} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()

# Sources named *_ISA.cc or *_ISA_test.cc are compiled for that instruction set.
function(fathom_isa_flags)
  foreach(source IN LISTS ARGN)
    if(source MATCHES "_(avx2|avx512|avx512bf16|amx)(_test)?\\.cc$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${FATHOM_ISA_${CMAKE_MATCH_1}}")
    endif()
  endforeach()
endfunction()
