// YAML in and out of the JSON tree, by libyaml's events. One document, JSON's data model: keys are
// strings, scalars resolve by the YAML 1.1 core words that Kubernetes' reader knows (true/false,
// null, numbers; yes/no/on/off stay text, as sigs.k8s.io/yaml has it), tags other than the standard
// ones are refused, aliases are copies that count against the node limit.
#include <yaml.h>

#include <cstdio>
#include <map>
#include <memory>

#include "api/json.h"
#include "base/strings.h"

namespace orch::api {

namespace {

// What a document may hold in all, aliases expanded: stops "billion laughs" early.
constexpr size_t kMaxYamlNodes = 500'000;

struct ParserDeleter {
  void operator()(yaml_parser_t* parser) const {
    ::yaml_parser_delete(parser);
    delete parser;
  }
};

// One event, freed with its scope.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { ::yaml_event_delete(&event_); }
  yaml_event_t* get() { return &event_; }
  yaml_event_type_t type() const { return event_.type; }
  std::string anchor() const {
    const yaml_char_t* a = nullptr;
    if (event_.type == YAML_SCALAR_EVENT) a = event_.data.scalar.anchor;
    if (event_.type == YAML_SEQUENCE_START_EVENT) a = event_.data.sequence_start.anchor;
    if (event_.type == YAML_MAPPING_START_EVENT) a = event_.data.mapping_start.anchor;
    if (event_.type == YAML_ALIAS_EVENT) a = event_.data.alias.anchor;
    return a == nullptr ? "" : reinterpret_cast<const char*>(a);
  }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(event_.data.scalar.value), event_.data.scalar.length};
  }

 private:
  yaml_event_t event_{};
};

// A plain scalar's meaning.
Value resolve_plain(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
  if (text == "true" || text == "True" || text == "TRUE") return Value(true);
  if (text == "false" || text == "False" || text == "FALSE") return Value(false);
  const char first = text[0];
  const bool numeric =
      (first >= '0' && first <= '9') || first == '-' || first == '+' || first == '.';
  if (!numeric) return Value(text);
  std::string_view digits = text;
  if (first == '+') digits.remove_prefix(1);
  // 0o17 and the older 017 are octal, 0x1f hexadecimal.
  const bool octal = digits.size() > 1 && digits[0] == '0' &&
                     digits.find_first_not_of("01234567", digits[1] == 'o' ? 2 : 1) == digits.npos;
  const bool hex = digits.size() > 2 && digits[0] == '0' && digits[1] == 'x' &&
                   digits.find_first_not_of("0123456789abcdefABCDEF", 2) == digits.npos;
  if ((octal || hex) && digits.size() <= 16) {
    const size_t skip = hex || digits[1] == 'o' ? 2 : 1;
    if (digits.size() > skip)
      return Value(static_cast<int64_t>(
          std::stoll(std::string(digits.substr(skip)), nullptr, hex ? 16 : 8)));
  }
  if (const auto whole = parse_int(digits)) return Value(*whole);
  const bool word = digits.find_first_not_of("0123456789+-.eE") != digits.npos;
  if (!word)
    if (const auto real = parse_double(digits)) return Value(*real);
  return Value(text);
}

class Reader {
 public:
  Reader(std::string_view text, std::vector<std::string>* duplicates) : duplicates_(duplicates) {
    parser_.reset(new yaml_parser_t{});
    ORCH_CHECK(::yaml_parser_initialize(parser_.get()) == 1);
    // libyaml asserts that there is an address, even of no bytes.
    const char* bytes = text.empty() ? "" : text.data();
    ::yaml_parser_set_input_string(parser_.get(), reinterpret_cast<const unsigned char*>(bytes),
                                   text.size());
  }

  Result<Value> document() {
    Event start, begin, first;
    ORCH_TRY(next(&start));  // Stream start.
    ORCH_TRY(next(&begin));
    if (begin.type() == YAML_STREAM_END_EVENT) return Value();
    ORCH_TRY(next(&first));
    Value value = ORCH_TRY(node(&first, "", 0));
    Event end, after;
    ORCH_TRY(next(&end));
    ORCH_TRY(next(&after));
    if (after.type() != YAML_STREAM_END_EVENT)
      return bad_request("YAML holds more than one document");
    return value;
  }

 private:
  Result<void> next(Event* event) {
    if (::yaml_parser_parse(parser_.get(), event->get()) == 1) return {};
    const char* problem = parser_->problem != nullptr ? parser_->problem : "can't be read";
    return bad_request("error converting YAML to JSON: yaml: line " +
                       std::to_string(parser_->problem_mark.line + 1) + ": " + problem);
  }

  Result<Value> node(Event* event, const std::string& path, int depth) {
    if (depth > kMaxDepth)
      return bad_request("YAML nested deeper than " + std::to_string(kMaxDepth) + " levels");
    if (++nodes_ > kMaxYamlNodes) return too_large("YAML document has too many nodes");
    const std::string anchor = event->anchor();
    if (event->type() == YAML_ALIAS_EVENT) return alias(anchor);

    Value value;
    if (event->type() == YAML_SCALAR_EVENT) {
      value = scalar(event);
    } else if (event->type() == YAML_SEQUENCE_START_EVENT) {
      value = ORCH_TRY(sequence(path, depth));
    } else if (event->type() == YAML_MAPPING_START_EVENT) {
      value = ORCH_TRY(mapping(path, depth));
    } else {
      return bad_request("YAML: unexpected end of the document");
    }
    if (!anchor.empty()) anchors_[anchor] = {value, count(value)};
    return value;
  }

  Result<Value> alias(const std::string& anchor) {
    const auto at = anchors_.find(anchor);
    if (at == anchors_.end()) return bad_request("YAML: unknown anchor '" + anchor + "'");
    nodes_ += at->second.nodes;
    if (nodes_ > kMaxYamlNodes) return too_large("YAML document has too many nodes");
    return at->second.value;
  }

  static Value scalar(Event* event) {
    const auto& data = event->get()->data.scalar;
    const bool plain = data.style == YAML_PLAIN_SCALAR_STYLE && data.tag == nullptr;
    return plain ? resolve_plain(event->text()) : Value(event->text());
  }

  Result<Value> sequence(const std::string& path, int depth) {
    Array items;
    for (;;) {
      Event event;
      ORCH_TRY(next(&event));
      if (event.type() == YAML_SEQUENCE_END_EVENT) return Value(std::move(items));
      items.push_back(
          ORCH_TRY(node(&event, path + "[" + std::to_string(items.size()) + "]", depth + 1)));
    }
  }

  Result<Value> mapping(const std::string& path, int depth) {
    Value object(Value::Object{});
    for (;;) {
      Event key, item;
      ORCH_TRY(next(&key));
      if (key.type() == YAML_MAPPING_END_EVENT) return object;
      if (key.type() != YAML_SCALAR_EVENT) return bad_request("YAML: a key must be a scalar");
      if (object.size() >= kMaxMembers)
        return bad_request("YAML mapping with more than " + std::to_string(kMaxMembers) + " keys");
      const std::string name(key.text());
      const std::string below = path.empty() ? name : path + "." + name;
      ORCH_TRY(next(&item));
      Value value = ORCH_TRY(node(&item, below, depth + 1));
      if (object.has(name) && duplicates_ != nullptr) duplicates_->push_back(below);
      object.set(name, std::move(value));
    }
  }

  static size_t count(const Value& value) {
    size_t n = 1;
    for (const Value& item : value.items()) n += count(item);
    for (const Value::Member& member : value.members()) n += count(member.value);
    return n;
  }

  struct Anchored {
    Value value;
    size_t nodes;
  };
  std::unique_ptr<yaml_parser_t, ParserDeleter> parser_;
  std::vector<std::string>* duplicates_;
  std::map<std::string, Anchored> anchors_;
  size_t nodes_ = 0;
};

// Longer keys need a mark before them (YAML 1.2.2, 7.4.2).
constexpr size_t kMaxSimpleKeyBytes = 1024;

// A character that JSON may hold as it is and YAML may not: what is not printable to it
// (1.2.2, 5.1; all of the Basic Multilingual Plane), and what it takes for the end of a line or
// leaves out.
struct Unprintable {
  size_t bytes = 0;  // 0: the character may stand as it is.
  unsigned code = 0;
};
Unprintable unprintable_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned lead = byte(at), second = byte(at + 1), third = byte(at + 2);
  if (lead == 0x7f) return {1, lead};
  if (lead == 0xc2 && second < 0xa0) return {2, second};  // U+0080 to U+009F.
  const unsigned code = (lead & 0x0f) << 12 | (second & 0x3f) << 6 | (third & 0x3f);
  if (lead == 0xe2 && (code == 0x2028 || code == 0x2029)) return {3, code};
  if (lead == 0xef && (code == 0xfeff || code >= 0xfffe)) return {3, code};
  return {};
}

std::string escape_unprintable(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Unprintable found = unprintable_at(text, at);
    if (found.bytes == 0) {
      out += text[at++];
      continue;
    }
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\u%04X", found.code);
    out += escaped;
    at += found.bytes;
  }
  return out;
}

// True when a plain scalar of this text would read back as this very string.
bool plain_is_safe(const std::string& text) {
  if (text.empty() || text.size() > 1024) return false;
  if (!resolve_plain(text).is_string()) return false;
  for (const std::string_view word : {"yes", "no", "on", "off", "y", "n"})
    if (to_lower(text) == word) return false;  // Older readers take these for booleans.
  if (text.front() == ' ' || text.back() == ' ' || text.back() == ':') return false;
  if (std::string_view("-?:,[]{}#&*!|>'\"%@`").find(text.front()) != std::string_view::npos)
    return false;
  if (text.find(": ") != text.npos || text.find(" #") != text.npos) return false;
  for (size_t at = 0; at < text.size(); ++at)
    if (static_cast<unsigned char>(text[at]) < 0x20 || unprintable_at(text, at).bytes > 0)
      return false;
  return true;
}

void write_node(std::string* out, const Value& value, int indent, bool after_dash);

void write_text(std::string* out, const std::string& text) {
  if (plain_is_safe(text)) {
    out->append(text);
    return;
  }
  std::string quoted;
  append_json_string(&quoted, text);  // A JSON string is a YAML double-quoted one, but for these.
  *out += escape_unprintable(quoted);
}

void write_members(std::string* out, const Value& value, int indent, bool first_in_place) {
  for (const Value::Member& member : value.members()) {
    if (!first_in_place) out->append(static_cast<size_t>(indent), ' ');
    first_in_place = false;
    const size_t key_at = out->size();
    write_text(out, member.name);
    if (out->size() - key_at > kMaxSimpleKeyBytes) {
      out->insert(key_at, "? ");
      out->append("\n").append(static_cast<size_t>(indent), ' ');
    }
    *out += ':';
    write_node(out, member.value, indent, false);
  }
}

void write_node(std::string* out, const Value& value, int indent, bool after_dash) {
  if (value.is_object() && value.size() > 0) {
    if (!after_dash) *out += '\n';
    write_members(out, value, after_dash ? indent : indent + 2, after_dash);
    return;
  }
  if (value.is_array() && value.size() > 0) {
    *out += '\n';
    for (const Value& item : value.items()) {
      out->append(static_cast<size_t>(indent), ' ').append("-");
      if (item.is_object() && item.size() > 0) *out += ' ';
      write_node(out, item, indent + 2, item.is_object());
    }
    return;
  }
  if (!after_dash) *out += ' ';
  if (value.is_object())
    out->append(after_dash ? " {}" : "{}");
  else if (value.is_array())
    out->append("[]");
  else if (value.is_string())
    write_text(out, value.as_string());
  else
    append_json(out, value);
  *out += '\n';
}

}  // namespace

Result<Value> parse_yaml(std::string_view text, const ParseOptions& options) {
  if (text.size() > options.max_bytes)
    return too_large("YAML document of " + std::to_string(text.size()) +
                     " bytes is larger than the limit of " + std::to_string(options.max_bytes));
  if (!valid_utf8(text)) return bad_request("YAML is not valid UTF-8");
  return Reader(text, options.duplicates).document();
}

std::string to_yaml(const Value& value) {
  std::string out;
  if (value.is_object() && value.size() > 0) {
    write_members(&out, value, 0, false);
  } else {
    write_node(&out, value, 0, false);
    if (out[0] == ' ' || out[0] == '\n') out.erase(0, 1);
  }
  return out;
}

}  // namespace orch::api
