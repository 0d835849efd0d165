#include "api/selector.h"

#include <algorithm>

#include "api/names.h"
#include "base/strings.h"

namespace orch::api {

namespace {

using Operator = LabelSelector::Operator;
using Requirement = LabelSelector::Requirement;

bool is_special(char c) { return std::string_view("=!(),<>").find(c) != std::string_view::npos; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Reads one selector text from left to right. What it says of a wrong one is kubectl's users' to
// read: the words are those of Kubernetes' own parser.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::vector<Requirement>> run() {
    std::vector<Requirement> out;
    skip_blanks();
    if (at_end()) return out;
    if (!begins_requirement()) {
      return bad_request(found("expected: !, identifier, or 'end of string'"));
    }
    for (;;) {
      out.push_back(ORCH_TRY(requirement()));
      ORCH_TRY(check(out.back()));
      skip_blanks();
      if (at_end()) return out;
      if (!take(',')) return bad_request(found("expected: ',' or 'end of string'"));
      skip_blanks();
      if (!begins_requirement()) {
        return bad_request(found("expected: identifier after ','"));
      }
    }
  }

 private:
  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  void skip_blanks() {
    while (!at_end() && is_blank(peek())) ++at_;
  }
  bool take(char c) {
    if (peek() != c || at_end()) return false;
    ++at_;
    return true;
  }
  bool begins_requirement() const { return !at_end() && (peek() == '!' || !is_special(peek())); }

  // The word or sign that stands here; "" at the end.
  std::string_view lexeme() const {
    size_t end = at_;
    if (!at_end() && is_special(peek())) {
      end += text_.substr(at_, 2) == "==" || text_.substr(at_, 2) == "!=" ? 2 : 1;
    } else {
      while (end < text_.size() && !is_special(text_[end]) && !is_blank(text_[end])) ++end;
    }
    return text_.substr(at_, end - at_);
  }

  std::string found(std::string_view wanted) {
    skip_blanks();
    return "found '" + std::string(lexeme()) + "', " + std::string(wanted);
  }
  Status unexpected(std::string_view wanted) {
    return bad_request("unable to parse requirement: " + found("expected: " + std::string(wanted)));
  }

  static Result<void> refuse(const std::string& where, std::string_view text,
                             const Problems& problems) {
    if (problems.empty()) return {};
    return bad_request("unable to parse requirement: " + where + ": Invalid value: \"" +
                       std::string(text) + "\": " + join(problems, "; "));
  }

  // Keys and values follow the rules of labels; numbers are numbers.
  static Result<void> check(const Requirement& r) {
    ORCH_TRY(refuse("<nil>", r.key, qualified_name_problems(r.key)));
    for (size_t i = 0; i < r.values.size(); ++i) {
      const std::string where = "values[" + std::to_string(i) + "]";
      const std::string& value = r.values[i];
      if (r.op == Operator::greater || r.op == Operator::less) {
        Problems problems;
        if (!parse_int(value)) {
          problems.push_back("for 'Gt', 'Lt' operators, the value must be an integer");
        }
        ORCH_TRY(refuse(where, value, problems));
      } else {
        ORCH_TRY(refuse(where + "[" + r.key + "]", value, label_value_problems(value)));
      }
    }
    return {};
  }

  std::string word() {
    skip_blanks();
    if (at_end() || is_special(peek())) return "";
    const std::string_view taken = lexeme();
    at_ += taken.size();
    return std::string(taken);
  }

  Result<Requirement> requirement() {
    Requirement r;
    skip_blanks();
    if (take('!')) {
      r.op = Operator::not_exists;
      r.key = word();
      if (r.key.empty()) return unexpected("identifier");
      return r;
    }
    r.key = word();
    if (r.key.empty()) return unexpected("identifier");
    skip_blanks();
    if (at_end() || peek() == ',') return r;  // exists
    const std::string op(lexeme());
    at_ += op.size();
    if (op == "=" || op == "==") return with_value(std::move(r), Operator::in);
    if (op == "!=") return with_value(std::move(r), Operator::not_in);
    if (op == ">") return with_value(std::move(r), Operator::greater);
    if (op == "<") return with_value(std::move(r), Operator::less);
    if (op == "in") return with_set(std::move(r), Operator::in);
    if (op == "notin") return with_set(std::move(r), Operator::not_in);
    at_ -= op.size();
    return unexpected("in, notin, =, ==, !=, gt, lt");
  }

  Result<Requirement> with_value(Requirement r, Operator op) {
    r.op = op;
    r.values = {word()};
    return r;
  }

  Result<Requirement> with_set(Requirement r, Operator op) {
    r.op = op;
    skip_blanks();
    if (!take('(')) {
      return bad_request("unable to parse requirement: found '" + std::string(lexeme()) +
                         "' expected: '('");
    }
    for (;;) {
      r.values.push_back(word());
      skip_blanks();
      if (take(')')) break;
      if (!take(',')) return unexpected("',' or ')'");
    }
    std::sort(r.values.begin(), r.values.end());
    r.values.erase(std::unique(r.values.begin(), r.values.end()), r.values.end());
    return r;
  }

  std::string_view text_;
  size_t at_ = 0;
};

std::optional<std::string_view> find_label(const Labels& labels, std::string_view key) {
  const auto at =
      std::lower_bound(labels.begin(), labels.end(), key,
                       [](const auto& label, std::string_view k) { return label.first < k; });
  if (at == labels.end() || at->first != key) return std::nullopt;
  return at->second;
}

Result<Requirement> from_expression(const Value& expression) {
  Requirement r;
  r.key = expression["key"].as_string();
  const std::string& op = expression["operator"].as_string();
  if (op == "In")
    r.op = Operator::in;
  else if (op == "NotIn")
    r.op = Operator::not_in;
  else if (op == "Exists")
    r.op = Operator::exists;
  else if (op == "DoesNotExist")
    r.op = Operator::not_exists;
  else
    return bad_request("\"" + op + "\" is not a valid label selector operator");
  for (const Value& value : expression["values"].items()) r.values.push_back(value.as_string());
  std::sort(r.values.begin(), r.values.end());
  const bool needs_values = r.op == Operator::in || r.op == Operator::not_in;
  if (needs_values && r.values.empty())
    return bad_request(
        "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  return r;
}

std::string render(const Requirement& r) {
  switch (r.op) {
    case Operator::exists:
      return r.key;
    case Operator::not_exists:
      return "!" + r.key;
    case Operator::greater:
      return r.key + ">" + r.values[0];
    case Operator::less:
      return r.key + "<" + r.values[0];
    case Operator::in:
      if (r.values.size() == 1) return r.key + "=" + r.values[0];
      return r.key + " in (" + join(r.values, ",") + ")";
    case Operator::not_in:
      if (r.values.size() == 1) return r.key + "!=" + r.values[0];
      return r.key + " notin (" + join(r.values, ",") + ")";
  }
  return {};
}

}  // namespace

Labels labels_of(const Value& object) {
  Labels labels;
  for (const Value::Member& m : object["metadata"]["labels"].members())
    labels.emplace_back(m.name, m.value.as_string());
  std::sort(labels.begin(), labels.end());
  return labels;
}

LabelSelector LabelSelector::nothing() {
  LabelSelector selector;
  selector.nothing_ = true;
  return selector;
}

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  if (text.size() > kMaxTextBytes)
    return bad_request("label selector longer than " + std::to_string(kMaxTextBytes) + " bytes");
  LabelSelector selector;
  selector.requirements_ = ORCH_TRY(Parser(text).run());
  return selector;
}

Result<LabelSelector> LabelSelector::from_object(const Value& selector) {
  if (selector.is_null()) return nothing();
  LabelSelector out = from_map(selector["matchLabels"]);
  for (const Value& expression : selector["matchExpressions"].items())
    out.requirements_.push_back(ORCH_TRY(from_expression(expression)));
  std::sort(out.requirements_.begin(), out.requirements_.end(),
            [](const Requirement& a, const Requirement& b) { return a.key < b.key; });
  return out;
}

LabelSelector LabelSelector::from_map(const Value& map) {
  LabelSelector out;
  for (const Value::Member& m : map.members())
    out.requirements_.push_back({m.name, Operator::in, {m.value.as_string()}});
  std::sort(out.requirements_.begin(), out.requirements_.end(),
            [](const Requirement& a, const Requirement& b) { return a.key < b.key; });
  return out;
}

bool LabelSelector::matches(const Labels& labels) const {
  return matches_with([&](std::string_view key) { return find_label(labels, key); });
}

bool LabelSelector::satisfied(const Requirement& r, std::optional<std::string_view> value) {
  const auto listed = [&] {
    return std::find(r.values.begin(), r.values.end(), *value) != r.values.end();
  };
  switch (r.op) {
    case Operator::in:
      return value && listed();
    case Operator::not_in:
      return !value || !listed();
    case Operator::exists:
      return value.has_value();
    case Operator::not_exists:
      return !value;
    case Operator::greater:
    case Operator::less: {
      if (!value) return false;
      const auto have = parse_int(*value), limit = parse_int(r.values[0]);
      if (!have || !limit) return false;
      return r.op == Operator::greater ? *have > *limit : *have < *limit;
    }
  }
  return false;
}

std::string LabelSelector::to_string() const {
  std::vector<std::string> parts;
  for (const Requirement& r : requirements_) parts.push_back(render(r));
  return join(parts, ",");
}

Result<FieldSelector> FieldSelector::parse(std::string_view text) {
  if (text.size() > LabelSelector::kMaxTextBytes) return bad_request("field selector is too long");
  FieldSelector selector;
  Requirement r;
  bool in_value = false, any = false;
  const auto finish = [&]() -> Result<void> {
    if (!in_value || r.path.empty())
      return bad_request("invalid selector: '" + std::string(text) + "'; can't understand '" +
                         r.path + "'");
    selector.requirements_.push_back(std::exchange(r, {}));
    in_value = false;
    return {};
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    any = true;
    if (!in_value) {
      if (c == '!' && i + 1 < text.size() && text[i + 1] == '=') {
        r.equal = false;
        in_value = true;
        ++i;
      } else if (c == '=') {
        in_value = true;
        if (i + 1 < text.size() && text[i + 1] == '=') ++i;
      } else if (c == ',') {
        ORCH_TRY(finish());
      } else {
        r.path += c;
      }
    } else if (c == '\\') {
      if (i + 1 == text.size() || (text[i + 1] != '\\' && text[i + 1] != ',' && text[i + 1] != '='))
        return bad_request("invalid field selector: bad escape at byte " + std::to_string(i));
      r.value += text[++i];
    } else if (c == ',') {
      ORCH_TRY(finish());
    } else if (c == '=') {
      return bad_request("invalid field selector: unescaped '=' at byte " + std::to_string(i));
    } else {
      r.value += c;
    }
  }
  if (any && (in_value || !r.path.empty())) ORCH_TRY(finish());
  return selector;
}

}  // namespace orch::api
