
# Consider dependencies only in project.
set(CMAKE_DEPENDS_IN_PROJECT_ONLY OFF)

# The set of languages for which implicit dependencies are needed:
set(CMAKE_DEPENDS_LANGUAGES
  )

# The set of dependency files which are needed:
set(CMAKE_DEPENDS_DEPENDENCY_FILES
  "/work/w/deaths/daemon/sys/app_files.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/app_files.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/app_files.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/app_files.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/app_files.cpp.o.d"
  "/work/w/deaths/daemon/sys/asio.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/asio.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/asio.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/asio.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/asio.cpp.o.d"
  "/work/w/deaths/daemon/sys/cgroup.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/cgroup.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/cgroup.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/cgroup.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/cgroup.cpp.o.d"
  "/work/w/deaths/daemon/sys/clock.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/clock.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/clock.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/clock.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/clock.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx.cxx" "daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx.gch" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx.gch.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx.gch" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx.gch.d"
  "/work/w/deaths/daemon/sys/core_file.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/core_file.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/core_file.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/core_file.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/core_file.cpp.o.d"
  "/work/w/deaths/daemon/sys/credentials.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/credentials.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/credentials.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/credentials.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/credentials.cpp.o.d"
  "/work/w/deaths/daemon/sys/exit_info.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/exit_info.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/exit_info.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/exit_info.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/exit_info.cpp.o.d"
  "/work/w/deaths/daemon/sys/kernel_log.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/kernel_log.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/kernel_log.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/kernel_log.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/kernel_log.cpp.o.d"
  "/work/w/deaths/daemon/sys/listener.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/listener.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/listener.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/listener.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/listener.cpp.o.d"
  "/work/w/deaths/daemon/sys/oom_watch.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/oom_watch.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/oom_watch.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/oom_watch.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/oom_watch.cpp.o.d"
  "/work/w/deaths/daemon/sys/portrait.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/portrait.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/portrait.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/portrait.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/portrait.cpp.o.d"
  "/work/w/deaths/daemon/sys/proc_files.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/proc_files.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/proc_files.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/proc_files.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/proc_files.cpp.o.d"
  "/work/w/deaths/daemon/sys/process.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/process.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/process.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/process.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/process.cpp.o.d"
  "/work/w/deaths/daemon/sys/process_table.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/process_table.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/process_table.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/process_table.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/process_table.cpp.o.d"
  "/work/w/deaths/daemon/sys/reaper.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/reaper.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/reaper.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/reaper.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/reaper.cpp.o.d"
  "/work/w/deaths/daemon/sys/sender.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/sender.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/sender.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/sender.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/sender.cpp.o.d"
  "/work/w/deaths/daemon/sys/spawn.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/spawn.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/spawn.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/spawn.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/spawn.cpp.o.d"
  "/work/w/deaths/daemon/sys/spawn_child.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/spawn_child.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/spawn_child.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/spawn_child.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/spawn_child.cpp.o.d"
  "/work/w/deaths/daemon/sys/systemd/bus.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/systemd/bus.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/systemd/bus.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/systemd/bus.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/systemd/bus.cpp.o.d"
  "/work/w/deaths/daemon/sys/systemd/service_bus.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/systemd/service_bus.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/systemd/service_bus.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/systemd/service_bus.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/systemd/service_bus.cpp.o.d"
  "/work/w/deaths/daemon/sys/systemd/service_manager.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/systemd/service_manager.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/systemd/service_manager.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/systemd/service_manager.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/systemd/service_manager.cpp.o.d"
  "/work/w/deaths/daemon/sys/trace.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/trace.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/trace.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/trace.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/trace.cpp.o.d"
  "/work/w/deaths/daemon/sys/trace_record.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/trace_record.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/trace_record.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/trace_record.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/trace_record.cpp.o.d"
  "/work/w/deaths/daemon/sys/worker.cpp" "daemon/sys/CMakeFiles/dixis_sys.dir/worker.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/worker.cpp.o.d"
  "/work/w/deaths/daemon/sys/CMakeFiles/dixis_sys.dir/cmake_pch.hxx" "daemon/sys/CMakeFiles/dixis_sys.dir/worker.cpp.o" "gcc" "daemon/sys/CMakeFiles/dixis_sys.dir/worker.cpp.o.d"
  )

# Targets to which this target links.
set(CMAKE_TARGET_LINKED_INFO_FILES
  "/work/w/deaths/common/CMakeFiles/dixis_common.dir/DependInfo.cmake"
  )

# Fortran module output directory.
set(CMAKE_Fortran_TARGET_MODULE_DIR "")
