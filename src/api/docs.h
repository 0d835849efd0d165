// Docs: what every type and field is for, one sentence each, as `kubectl explain` shows them. The
// sentences are text tables (api/docs/*.docs) in the executable; Docs finds its way in them, so it
// is made when a document is asked for and dropped with it. Pure. Called by openapi.cpp.
//
// A table has a line "package.Type,package.Type  Sentence." (or the names alone) and, indented
// below it, "field  Sentence." lines that hold for each of these types. The type "*" stands for
// all: what it says of a field holds wherever nothing else is said. "#" begins a comment.
#pragma once

#include <map>
#include <span>
#include <string_view>

#include "api/schema.h"

namespace orch::api {

class Docs {
 public:
  // The tables embedded in the executable, which outlive everything.
  static std::span<const std::string_view> builtin_tables();

  Docs() : Docs(builtin_tables()) {}
  // REQUIRES: the texts outlive this.
  explicit Docs(std::span<const std::string_view> tables);

  // "" when nothing is said.
  std::string_view of(const Type& type) const;
  std::string_view of(const Type& type, const Field& field) const;

  struct Entry {
    std::string_view sentence;
    std::map<std::string_view, std::string_view> fields;
  };
  const std::map<std::string_view, Entry>& entries() const { return entries_; }

 private:
  void read(std::string_view table);

  std::map<std::string_view, Entry> entries_;
};

}  // namespace orch::api
