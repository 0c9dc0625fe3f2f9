file(REMOVE_RECURSE
  "libdixis_sys.a"
)
