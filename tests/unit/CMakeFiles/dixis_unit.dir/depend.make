# Empty dependencies file for dixis_unit.
# This may be replaced when dependencies are built.
