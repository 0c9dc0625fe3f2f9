# CMake generated Testfile for 
# Source directory: /work/w/deaths/tests
# Build directory: /work/w/deaths/tests
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
subdirs("unit")
subdirs("fixtures")
