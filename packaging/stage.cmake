# Between staging and packing: what Debian's policy asks of the files, beyond an install from source.
set(root ${CPACK_TEMPORARY_DIRECTORY})
set(doc ${root}/usr/share/doc/dixis)
file(COPY ${CPACK_DIXIS_PACKAGING}/copyright ${CPACK_DIXIS_PACKAGING}/changelog DESTINATION ${doc}
     FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
file(GLOB compressed ${root}/usr/share/man/man*/* ${doc}/changelog)
execute_process(COMMAND gzip -9 --no-name --force ${compressed} COMMAND_ERROR_IS_FATAL ANY)
# Of Debian 12's tools not all look for units below /usr.
file(MAKE_DIRECTORY ${root}/lib/systemd)
file(RENAME ${root}/usr/lib/systemd/system ${root}/lib/systemd/system)
