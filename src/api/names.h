// The rules for names and other small texts. Each gives what is wrong with `text`, in Kubernetes'
// words, or nothing. Pure. Follows: RFC 1123, RFC 1035, RFC 6335 (port names).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/schema.h"

namespace orch::api {

using Problems = std::vector<std::string>;

Problems dns_label_problems(std::string_view text);       // "my-name", 63
Problems dns_subdomain_problems(std::string_view text);   // "a.example.com", 253
Problems dns_label_1035_problems(std::string_view text);  // A label that begins with a letter.
Problems path_segment_problems(std::string_view text);
Problems qualified_name_problems(std::string_view text);  // "example.com/name": label keys.
Problems label_value_problems(std::string_view text);
Problems port_name_problems(std::string_view text);   // RFC 6335 service name.
Problems port_number_problems(int64_t port);          // 1..65535
Problems data_key_problems(std::string_view text);    // Keys of ConfigMaps and Secrets.
Problems env_name_problems(std::string_view text);    // Printable ASCII without "=".
Problems ip_problems(std::string_view text);          // IPv4 or IPv6.
Problems cidr_problems(std::string_view text);        // IPv4 or IPv6.
Problems local_path_problems(std::string_view path);  // Relative, and no "..".
Problems id_problems(int64_t id);                     // uid, gid: 0..2^31-1

// The name of an object by its kind's rule. A prefix (generateName) may end in "-" or ".".
Problems object_name_problems(NameRule rule, std::string_view text, bool prefix);

}  // namespace orch::api
