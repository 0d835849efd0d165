#include "agent/runtime/record.h"

#include "base/files.h"
#include "base/strings.h"

namespace orch::runtime {

namespace {

const std::string kEmpty;

void append_escaped(std::string* out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\') {
      *out += "\\\\";
    } else if (c == '\n') {
      *out += "\\n";
    } else {
      *out += c;
    }
  }
}

Result<std::string> unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) return bad_request("record: a line ends in a lone backslash");
    if (text[i] != 'n' && text[i] != '\\') return bad_request("record: unknown escape");
    out += text[i] == 'n' ? '\n' : '\\';
  }
  return out;
}

}  // namespace

Record::Record(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  for (const auto& [key, value] : fields) add(key, value);
}

void Record::add(std::string_view key, std::string_view value) {
  fields_.emplace_back(std::string(key), std::string(value));
}

void Record::add_number(std::string_view key, int64_t value) { add(key, std::to_string(value)); }

void Record::add_all(std::string_view key, const std::vector<std::string>& values) {
  for (const std::string& value : values) add(key, value);
}

bool Record::has(std::string_view key) const {
  for (const auto& field : fields_)
    if (field.first == key) return true;
  return false;
}

const std::string& Record::text(std::string_view key) const {
  for (const auto& field : fields_)
    if (field.first == key) return field.second;
  return kEmpty;
}

int64_t Record::number(std::string_view key) const { return parse_int(text(key)).value_or(0); }

std::vector<std::string> Record::all(std::string_view key) const {
  std::vector<std::string> values;
  for (const auto& field : fields_)
    if (field.first == key) values.push_back(field.second);
  return values;
}

std::string Record::render() const {
  std::string out;
  for (const auto& [key, value] : fields_) {
    out += key;
    out += '=';
    append_escaped(&out, value);
    out += '\n';
  }
  return out;
}

Result<Record> Record::parse(std::string_view text) {
  Record record;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return bad_request("record: the last line has no end");
    const std::string_view line = text.substr(0, end);
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return bad_request("record: a line without key");
    record.add(line.substr(0, equals), ORCH_TRY(unescaped(line.substr(equals + 1))));
    text.remove_prefix(end + 1);
  }
  return record;
}

Result<Record> read_record(const std::string& path) {
  const std::string content = ORCH_TRY(read_file(path, kMaxRecordBytes));
  Result<Record> record = Record::parse(content);
  if (!record) return std::move(record).status().in(path);
  return record;
}

Result<void> write_record(const std::string& path, const Record& record) {
  return write_file_whole(path, record.render());
}

}  // namespace orch::runtime
