# Empty dependencies file for dixis_sys.
# This may be replaced when dependencies are built.
