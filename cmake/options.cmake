# What every target is compiled with, as one interface target.
find_package(Threads REQUIRED)
set(Boost_USE_STATIC_LIBS ON)
find_package(Boost 1.81 REQUIRED COMPONENTS json)

add_library(dixis_options INTERFACE)
target_include_directories(dixis_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_compile_options(dixis_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  # GCC 12 mistakes Asio's own operator new of coroutine frames for the global one.
  -Wno-mismatched-new-delete)
if(DIXIS_WERROR)
  target_compile_options(dixis_options INTERFACE -Werror)
endif()
# Boost's own headers are not ours to fix: SYSTEM silences them.
target_include_directories(dixis_options SYSTEM INTERFACE ${Boost_INCLUDE_DIRS})
target_compile_definitions(dixis_options INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
if(DIXIS_SANITIZE)
  target_compile_options(dixis_options INTERFACE
    -fsanitize=${DIXIS_SANITIZE} -fno-omit-frame-pointer -g1
    # The tests' own code is compiled once and run for seconds.
    $<IF:$<STREQUAL:$<TARGET_PROPERTY:NAME>,dixis_unit>,-O0,-O1>
    # False alarms of GCC 12 on instrumented code: <regex>, and the fences of Asio.
    -Wno-maybe-uninitialized -Wno-tsan)
  target_link_options(dixis_options INTERFACE -fsanitize=${DIXIS_SANITIZE})
endif()

# One layer of the design: a static library of every .cpp in its folder.
# dixis_layer(<target> [DEPENDS <layer>...] [SUBDIRS <folder>...])
function(dixis_layer target)
  cmake_parse_arguments(layer "" "" "DEPENDS;SUBDIRS" ${ARGN})
  set(patterns *.cpp)
  foreach(subdir ${layer_SUBDIRS})
    list(APPEND patterns ${subdir}/*.cpp)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  add_library(${target} STATIC ${sources})
  target_link_libraries(${target} PUBLIC dixis_options ${layer_DEPENDS})
endfunction()
