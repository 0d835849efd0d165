#include "api/names.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

#include "base/strings.h"

namespace orch::api {
namespace {

bool lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool alnum(char c) { return lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

// [a-z0-9]([-a-z0-9]*[a-z0-9])?
bool is_label(std::string_view text) {
  return !text.empty() && lower_alnum(text.front()) && lower_alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return lower_alnum(c) || c == '-'; });
}

// [A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?
bool is_name_part(std::string_view text) {
  return !text.empty() && alnum(text.front()) && alnum(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
}

std::string too_long(size_t max) {
  return "must be no more than " + std::to_string(max) + " characters";
}

std::string by_regex(std::string_view what, std::string_view examples, std::string_view regex) {
  return std::string(what) + " (e.g. " + std::string(examples) +
         ", regex used for validation is '" + std::string(regex) + "')";
}

bool is_ip(std::string_view text) {
  const std::string copy(text);
  in6_addr address;
  if (inet_pton(AF_INET, copy.c_str(), &address) == 1) return true;
  return inet_pton(AF_INET6, copy.c_str(), &address) == 1;
}

}  // namespace

Problems dns_label_problems(std::string_view text) {
  Problems problems;
  if (text.size() > 63) problems.push_back(too_long(63));
  if (!is_label(text)) {
    problems.push_back(
        by_regex("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
                 "'-', and must start and end with an alphanumeric character",
                 "'my-name',  or '123-abc'", "[a-z0-9]([-a-z0-9]*[a-z0-9])?"));
  }
  return problems;
}

Problems dns_subdomain_problems(std::string_view text) {
  Problems problems;
  if (text.size() > 253) problems.push_back(too_long(253));
  const auto labels = split(text, '.');
  if (!std::all_of(labels.begin(), labels.end(), is_label)) {
    problems.push_back(by_regex(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
        "'.', and must start and end with an alphanumeric character",
        "'example.com'", "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"));
  }
  return problems;
}

Problems dns_label_1035_problems(std::string_view text) {
  Problems problems;
  if (text.size() > 63) problems.push_back(too_long(63));
  if (!is_label(text) || !std::islower(static_cast<unsigned char>(text.front()))) {
    problems.push_back(by_regex(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start "
        "with an alphabetic character, and end with an alphanumeric character",
        "'my-name',  or 'abc-123'", "[a-z]([-a-z0-9]*[a-z0-9])?"));
  }
  return problems;
}

Problems path_segment_problems(std::string_view text) {
  if (text == ".") return {"may not be '.'"};
  if (text == "..") return {"may not be '..'"};
  Problems problems;
  if (text.find('/') != text.npos) problems.push_back("may not contain '/'");
  if (text.find('%') != text.npos) problems.push_back("may not contain '%'");
  return problems;
}

Problems qualified_name_problems(std::string_view text) {
  Problems problems;
  std::string_view name = text;
  if (const size_t slash = text.find('/'); slash != text.npos) {
    const std::string_view prefix = text.substr(0, slash);
    name = text.substr(slash + 1);
    if (name.find('/') != name.npos) {
      return {by_regex("a qualified name must consist of alphanumeric characters, '-', '_' or '.', "
                       "and must start and end with an alphanumeric character",
                       "'MyName',  or 'my.name',  or '123-abc'",
                       "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]") +
              " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
    }
    if (prefix.empty()) {
      problems.push_back("prefix part must be non-empty");
    } else {
      for (const std::string& problem : dns_subdomain_problems(prefix)) {
        problems.push_back("prefix part " + problem);
      }
    }
  }
  if (name.empty()) problems.push_back("name part must be non-empty");
  if (name.size() > 63) problems.push_back("name part " + too_long(63));
  if (!is_name_part(name)) {
    problems.push_back(by_regex(
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and "
        "end with an alphanumeric character",
        "'MyName',  or 'my.name',  or '123-abc'", "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"));
  }
  return problems;
}

Problems label_value_problems(std::string_view text) {
  Problems problems;
  if (text.size() > 63) problems.push_back(too_long(63));
  if (!text.empty() && !is_name_part(text)) {
    problems.push_back(by_regex(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
        "'.', and must start and end with an alphanumeric character",
        "'MyValue',  or 'my_value',  or '12345'", "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"));
  }
  return problems;
}

Problems port_name_problems(std::string_view text) {
  Problems problems;
  if (text.size() > 15) problems.push_back(too_long(15));
  if (!std::all_of(text.begin(), text.end(), [](char c) { return lower_alnum(c) || c == '-'; })) {
    problems.push_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (std::none_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; })) {
    problems.push_back("must contain at least one letter (a-z)");
  }
  if (text.find("--") != text.npos) problems.push_back("must not contain consecutive hyphens");
  if (!text.empty() && (text.front() == '-' || text.back() == '-')) {
    problems.push_back("must not begin or end with a hyphen");
  }
  return problems;
}

Problems port_number_problems(int64_t port) {
  if (port >= 1 && port <= 65535) return {};
  return {"must be between 1 and 65535, inclusive"};
}

Problems data_key_problems(std::string_view text) {
  Problems problems;
  if (text.size() > 253) problems.push_back(too_long(253));
  const bool good = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return alnum(c) || c == '-' || c == '_' || c == '.';
  });
  if (!good) {
    problems.push_back(
        by_regex("a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                 "'key.name',  or 'KEY_NAME',  or 'key-name'", "[-._a-zA-Z0-9]+"));
  }
  if (text == ".") problems.push_back("must not be '.'");
  if (text == "..") {
    problems.push_back("must not be '..'");
  } else if (text.starts_with("..")) {
    problems.push_back("must not start with '..'");
  }
  return problems;
}

Problems env_name_problems(std::string_view text) {
  const bool good = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c >= ' ' && c <= '~' && c != '=';
  });
  if (good) return {};
  return {
      "a valid environment variable name must consist only of printable ASCII characters other "
      "than '='"};
}

Problems ip_problems(std::string_view text) {
  if (is_ip(text)) return {};
  return {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
}

Problems cidr_problems(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash != text.npos && is_ip(text.substr(0, slash))) {
    const int most = text.find(':') == text.npos ? 32 : 128;
    const auto bits = parse_int(text.substr(slash + 1));
    if (bits && *bits >= 0 && *bits <= most) return {};
  }
  return {"must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"};
}

Problems local_path_problems(std::string_view path) {
  Problems problems;
  if (path.starts_with('/')) problems.push_back("must be a relative path");
  const auto parts = split(path, '/');
  if (std::find(parts.begin(), parts.end(), "..") != parts.end()) {
    problems.push_back("must not contain '..'");
  }
  return problems;
}

Problems id_problems(int64_t id) {
  if (id >= 0 && id <= 2147483647) return {};
  return {"must be between 0 and 2147483647, inclusive"};
}

Problems object_name_problems(NameRule rule, std::string_view text, bool prefix) {
  std::string name(text);
  // What will be appended ends in a letter or digit, so the last character may be a separator.
  if (prefix && !name.empty() && (name.back() == '-' || name.back() == '.')) name.back() = 'a';
  switch (rule) {
    case NameRule::dns_label:
      return dns_label_problems(name);
    case NameRule::dns_label_1035:
      return dns_label_1035_problems(name);
    case NameRule::path_segment:
      return path_segment_problems(name);
    case NameRule::dns_subdomain:
      break;
  }
  return dns_subdomain_problems(name);
}

}  // namespace orch::api
