# Puts the tables of src/api/schema into the api library: a source is made of them at build time,
# as raw string literals, so it works for every target and leaves nothing generated in the tree.
if(CMAKE_SCRIPT_MODE_FILE)
  set(text "// Made by cmake/embed_schema.cmake.\n#include \"api/schema.h\"\n")
  string(APPEND text "namespace orch::api {\nstd::vector<Schema::Source> schema_tables() {\n  return {\n")
  file(GLOB tables ${FROM}/*.schema)
  list(SORT tables)
  foreach(table ${tables})
    get_filename_component(name ${table} NAME)
    file(READ ${table} content)
    string(APPEND text "{\"${name}\", R\"table(${content})table\"},\n")
  endforeach()
  string(APPEND text "  };\n}\n}  // namespace orch::api\n")
  file(WRITE ${TO} "${text}")
  return()
endif()

file(GLOB schema_tables CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/api/schema/*.schema)
set(schema_source ${CMAKE_BINARY_DIR}/schema_tables.cpp)
add_custom_command(
  OUTPUT ${schema_source}
  COMMAND ${CMAKE_COMMAND} -DFROM=${CMAKE_SOURCE_DIR}/src/api/schema -DTO=${schema_source}
          -P ${CMAKE_SOURCE_DIR}/cmake/embed_schema.cmake
  DEPENDS ${schema_tables} ${CMAKE_SOURCE_DIR}/cmake/embed_schema.cmake
  VERBATIM)
target_sources(api PRIVATE ${schema_source})
