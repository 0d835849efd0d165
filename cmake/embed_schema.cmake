# Puts the tables of src/api/schema and src/api/docs into the api library: sources are made of them
# at build time, as raw string literals, so it works for every target and leaves nothing generated in
# the tree. The docs stay views of the executable's own text: nothing is copied when it starts.
if(CMAKE_SCRIPT_MODE_FILE AND DOCS)
  set(text "// Made by cmake/embed_schema.cmake.\n#include \"api/docs.h\"\n")
  string(APPEND text "namespace orch::api {\nstd::span<const std::string_view> Docs::builtin_tables() {\n")
  string(APPEND text "  static constexpr std::string_view kTables[] = {\n")
  file(GLOB tables ${FROM}/*.docs)
  list(SORT tables)
  foreach(table ${tables})
    file(READ ${table} content)
    string(APPEND text "R\"table(${content})table\",\n")
  endforeach()
  string(APPEND text "  };\n  return kTables;\n}\n}  // namespace orch::api\n")
  file(WRITE ${TO} "${text}")
  return()
endif()

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

file(GLOB docs_tables CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/api/docs/*.docs)
set(docs_source ${CMAKE_BINARY_DIR}/docs_tables.cpp)
add_custom_command(
  OUTPUT ${docs_source}
  COMMAND ${CMAKE_COMMAND} -DDOCS=ON -DFROM=${CMAKE_SOURCE_DIR}/src/api/docs -DTO=${docs_source}
          -P ${CMAKE_SOURCE_DIR}/cmake/embed_schema.cmake
  DEPENDS ${docs_tables} ${CMAKE_SOURCE_DIR}/cmake/embed_schema.cmake
  VERBATIM)
target_sources(api PRIVATE ${docs_source})
