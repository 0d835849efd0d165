// Record: an ordered list of key=value lines. The one notation for the room's state files and for
// the messages between agent and shim: readable with cat, and its codec is a page. Pure.
//
//   id=3f2a
//   argv=/bin/sh
//   argv=-c        (keys may repeat)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace orch::runtime {

class Record {
 public:
  Record() = default;
  Record(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);

  // Keys are letters, digits, '_', '.'; values any bytes.
  void add(std::string_view key, std::string_view value);
  void add_number(std::string_view key, int64_t value);
  void add_all(std::string_view key, const std::vector<std::string>& values);

  bool has(std::string_view key) const;
  // The first value of `key`; "" when missing.
  const std::string& text(std::string_view key) const;
  // 0 when missing or no number.
  int64_t number(std::string_view key) const;
  bool flag(std::string_view key) const { return number(key) != 0; }
  std::vector<std::string> all(std::string_view key) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

  std::string render() const;
  static Result<Record> parse(std::string_view text);

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// State files: read whole (kMaxRecordBytes), written atomically, but not flushed: what they tell of
// is gone after a reboot anyway.
inline constexpr size_t kMaxRecordBytes = 4u << 20;
Result<Record> read_record(const std::string& path);
Result<void> write_record(const std::string& path, const Record& record);

}  // namespace orch::runtime
