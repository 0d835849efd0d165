#include "api/json_syntax.h"

#include <cctype>

#include "api/rapidjson.h"

namespace orch::api {
namespace {

constexpr std::string_view kEnd = "unexpected end of JSON input";

std::string quoted(char c) {
  if (c == '\'') return R"('\'')";
  if (c == '\n') return R"('\n')";
  if (c == '\t') return R"('\t')";
  if (c == '\\') return R"('\\')";
  return std::string("'") + c + "'";
}

std::string invalid_at(std::string_view text, size_t at, std::string_view where) {
  if (at >= text.size()) return std::string(kEnd);
  return "invalid character " + quoted(text[at]) + " " + std::string(where);
}

// A word that began like null, true or false: the character that does not go on so.
std::string bad_value(std::string_view text, size_t at) {
  for (const std::string_view literal : {"null", "true", "false"}) {
    for (size_t done = literal.size() - 1; done > 0; --done) {
      if (at < done || text.substr(at - done, done) != literal.substr(0, done)) continue;
      return invalid_at(
          text, at, "in literal " + std::string(literal) + " (expecting '" + literal[done] + "')");
    }
  }
  if (at > 0 && text[at - 1] == '-') return invalid_at(text, at, "in numeric literal");
  return invalid_at(text, at, "looking for beginning of value");
}

std::string bad_unicode_escape(std::string_view text, size_t backslash) {
  size_t at = backslash + 2;
  while (at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at])) != 0) ++at;
  return invalid_at(text, at, "in \\u hexadecimal character escape");
}

}  // namespace

std::string render_syntax_error(std::string_view text, int code, size_t offset) {
  switch (code) {
    case rapidjson::kParseErrorDocumentRootNotSingular:
      return invalid_at(text, offset, "after top-level value");
    case rapidjson::kParseErrorObjectMissName:
      return invalid_at(text, offset, "looking for beginning of object key string");
    case rapidjson::kParseErrorObjectMissColon:
      return invalid_at(text, offset, "after object key");
    case rapidjson::kParseErrorObjectMissCommaOrCurlyBracket:
      return invalid_at(text, offset, "after object key:value pair");
    case rapidjson::kParseErrorArrayMissCommaOrSquareBracket:
      return invalid_at(text, offset, "after array element");
    case rapidjson::kParseErrorStringEscapeInvalid:
      if (offset < text.size() && text[offset] != '\\') {
        return invalid_at(text, offset, "in string literal");
      }
      return invalid_at(text, offset + 1, "in string escape code");
    case rapidjson::kParseErrorStringUnicodeEscapeInvalidHex:
      return bad_unicode_escape(text, offset);
    case rapidjson::kParseErrorStringMissQuotationMark:
      return std::string(kEnd);
    case rapidjson::kParseErrorStringInvalidEncoding:
      return invalid_at(text, offset, "in string literal");
    case rapidjson::kParseErrorNumberMissFraction:
      return invalid_at(text, offset, "after decimal point in numeric literal");
    case rapidjson::kParseErrorNumberMissExponent:
      return invalid_at(text, offset, "in exponent of numeric literal");
    case rapidjson::kParseErrorNumberTooBig:
      return "number out of range";
    case rapidjson::kParseErrorDocumentEmpty:
      return std::string(kEnd);
    default:
      return bad_value(text, offset);
  }
}

}  // namespace orch::api
