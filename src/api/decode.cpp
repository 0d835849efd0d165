// One recursive walk beside the type. The path is one string that grows and shrinks.
#include "api/decode.h"

#include <cctype>
#include <limits>
#include <utility>

#include "api/quantity.h"
#include "base/strings.h"
#include "base/unix_time.h"

namespace orch::api {
namespace {

std::string json_word(const Value& value) {
  if (value.is_number()) return "number";
  return value.type_name();
}

// "v1.Container": how Go names a type; its package is the version.
std::string go_name(const Type& type) { return type.version + "." + type.kind; }

std::string go_type(const Field& field) {
  switch (field.shape) {
    case Shape::string:
      return "string";
    case Shape::boolean:
      return "bool";
    case Shape::int32:
      return "int32";
    case Shape::int64:
      return "int64";
    case Shape::number:
      return "float64";
    case Shape::bytes:
      return "[]uint8";
    case Shape::array:
      return "[]" + go_type(*field.element);
    case Shape::map:
      return "map[string]" + go_type(*field.element);
    case Shape::object:
      return go_name(*field.type);
    case Shape::quantity:
      return "resource.Quantity";
    case Shape::int_or_string:
      return "intstr.IntOrString";
    case Shape::time:
      return "v1.Time";
    case Shape::micro_time:
      return "v1.MicroTime";
    case Shape::duration:
      return "v1.Duration";
    case Shape::any:
      return "runtime.RawExtension";
  }
  return "";
}

class Decoder {
 public:
  Decoder(const Type& type, const DecodeOptions& options) : root_(type), options_(options) {}

  Result<Value> run(Value document) {
    if (!document.is_object()) {
      return refuse("json: cannot unmarshal " + json_word(document) + " into Go value of type " +
                    go_name(root_));
    }
    ORCH_TRY(object(root_, &document));
    ORCH_TRY(report());
    return document;
  }

 private:
  Status refuse(const std::string& why) const {
    return bad_request(root_.kind + " in version \"" + root_.version +
                       "\" cannot be handled as a " + root_.kind + ": " + why);
  }

  // Go's words for a value of the wrong kind; they name fields, but no indexes.
  Status mismatch(const Value& value, const std::string& wanted) const {
    std::string path;
    bool in_brackets = false;
    for (const char c : path_) {
      if (c == '[') in_brackets = true;
      if (!in_brackets) path += c;
      if (c == ']') in_brackets = false;
    }
    std::string got = json_word(value);
    if (value.is_number() && (wanted == "int32" || wanted == "int64")) got += " " + to_json(value);
    return refuse("json: cannot unmarshal " + got + " into Go struct field " + holder_->kind + "." +
                  path + " of type " + wanted);
  }

  Result<void> object(const Type& type, Value* value) {
    const Type* const outer = std::exchange(holder_, &type);
    auto& members = value->object_members();
    size_t kept = 0;
    for (size_t i = 0; i < members.size(); ++i) {
      Value::Member& member = members[i];
      const size_t length = path_.size();
      if (!path_.empty()) path_ += '.';
      path_ += member.name;
      const Field* field = type.find(member.name);
      if (field == nullptr) {
        complain("unknown field \"" + path_ + "\"");
      } else if (!member.value.is_null()) {
        ORCH_TRY(one(*field, &member.value));
        if (kept != i) members[kept] = std::move(member);
        ++kept;
      }
      path_.resize(length);
    }
    members.resize(kept);
    holder_ = outer;
    return {};
  }

  Result<void> one(const Field& field, Value* value) {
    switch (field.shape) {
      case Shape::object:
        if (!value->is_object()) return mismatch(*value, go_type(field));
        return object(*field.type, value);
      case Shape::array:
        return array(field, value);
      case Shape::map:
        return map(field, value);
      case Shape::any:
        return {};
      default:
        return scalar(field, value);
    }
  }

  Result<void> array(const Field& field, Value* value) {
    if (!value->is_array()) return mismatch(*value, go_type(field));
    auto& items = value->array_items();
    for (size_t i = 0; i < items.size(); ++i) {
      const size_t length = path_.size();
      path_ += '[';
      path_ += std::to_string(i);
      path_ += ']';
      ORCH_TRY(element(*field.element, &items[i]));
      path_.resize(length);
    }
    return {};
  }

  Result<void> map(const Field& field, Value* value) {
    if (!value->is_object()) return mismatch(*value, go_type(field));
    for (Value::Member& member : value->object_members()) {
      const size_t length = path_.size();
      path_ += '[';
      path_ += member.name;
      path_ += ']';
      ORCH_TRY(element(*field.element, &member.value));
      path_.resize(length);
    }
    return {};
  }

  // null inside of a list or map is the zero value there.
  Result<void> element(const Field& field, Value* value) {
    if (!value->is_null()) return one(field, value);
    switch (field.shape) {
      case Shape::object:
      case Shape::map:
        *value = Value::object();
        break;
      case Shape::array:
        *value = Value::array();
        break;
      case Shape::boolean:
        *value = Value(false);
        break;
      case Shape::int32:
      case Shape::int64:
      case Shape::int_or_string:
      case Shape::number:
        *value = Value(0);
        break;
      case Shape::string:
      case Shape::bytes:
        *value = Value("");
        break;
      case Shape::quantity:
        *value = Value("0");
        break;
      default:
        break;
    }
    return {};
  }

  Result<void> scalar(const Field& field, Value* value) {
    switch (field.shape) {
      case Shape::string:
      case Shape::duration:
        if (!value->is_string()) return mismatch(*value, "string");
        return {};
      case Shape::boolean:
        if (!value->is_bool()) return mismatch(*value, "bool");
        return {};
      case Shape::int32:
        return integer(value, "int32", std::numeric_limits<int32_t>::max());
      case Shape::int64:
        return integer(value, "int64", std::numeric_limits<int64_t>::max());
      case Shape::number:
        if (!value->is_number()) return mismatch(*value, "float64");
        return {};
      case Shape::bytes:
        return bytes(value);
      case Shape::quantity:
        return quantity(value);
      case Shape::int_or_string:
        if (value->is_string()) return {};
        if (!value->is_number()) {
          return refuse("json: cannot unmarshal " + json_word(*value) +
                        " into Go value of type int32");
        }
        return integer(value, "int32", std::numeric_limits<int32_t>::max());
      default:
        return time(field.shape, value);
    }
  }

  Result<void> integer(Value* value, const char* type, int64_t max) {
    if (value->is_double()) {
      const double d = value->as_double();
      const bool whole = d >= -9e15 && d <= 9e15 && d == static_cast<double>(value->as_int());
      if (!whole) return mismatch(*value, type);
      *value = Value(value->as_int());
    }
    if (!value->is_int()) return mismatch(*value, type);
    if (value->as_int() > max || value->as_int() < -max - 1) return mismatch(*value, type);
    return {};
  }

  Result<void> bytes(Value* value) {
    if (!value->is_string()) return mismatch(*value, "[]uint8");
    std::string text = value->as_string();
    std::erase_if(text, [](char c) { return c == '\n' || c == '\r'; });
    if (!base64_decode(text)) {
      size_t at = 0;
      while (at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0 ||
                                  text[at] == '+' || text[at] == '/')) {
        ++at;
      }
      return refuse("illegal base64 data at input byte " + std::to_string(at));
    }
    *value = Value(std::move(text));
    return {};
  }

  Result<void> quantity(Value* value) {
    if (!value->is_string() && !value->is_number()) return mismatch(*value, "resource.Quantity");
    auto parsed = Quantity::parse(value->is_string() ? value->as_string() : to_json(*value));
    if (!parsed.ok()) return refuse(parsed.status().message);
    *value = Value(parsed->to_string());
    return {};
  }

  Result<void> time(Shape shape, Value* value) {
    if (!value->is_string()) {
      return refuse("json: cannot unmarshal " + json_word(*value) +
                    " into Go value of type string");
    }
    const bool micro = shape == Shape::micro_time;
    UnixTime parsed;
    if (!parse_unix_time(value->as_string(), &parsed)) {
      return refuse("parsing time \"" + value->as_string() + "\" as \"" +
                    (micro ? "2006-01-02T15:04:05.000000Z07:00" : "2006-01-02T15:04:05Z07:00") +
                    "\": cannot parse \"" + value->as_string() + "\" as \"2006\"");
    }
    *value = Value(micro ? format_micro_time(parsed) : format_time(parsed));
    return {};
  }

  void complain(std::string what) {
    if (options_.strictness == Strictness::ignore) return;
    if (complaints_.size() < kMaxFieldComplaints) complaints_.push_back(std::move(what));
  }

  Result<void> report() {
    if (options_.duplicates != nullptr) {
      for (const std::string& path : *options_.duplicates) {
        complain("duplicate field \"" + path + "\"");
      }
    }
    if (complaints_.empty()) return {};
    if (options_.strictness == Strictness::strict) {
      return refuse("strict decoding error: " + join(complaints_, ", "));
    }
    if (options_.warnings != nullptr) {
      for (std::string& text : complaints_) options_.warnings->push_back(std::move(text));
    }
    return {};
  }

  const Type& root_;
  const DecodeOptions& options_;
  const Type* holder_ = nullptr;  // The type whose field is being read.
  std::string path_;              // "spec.containers[0].image"
  std::vector<std::string> complaints_;
};

}  // namespace

Result<Value> decode(const Type& type, Value document, const DecodeOptions& options) {
  return Decoder(type, options).run(std::move(document));
}

}  // namespace orch::api
