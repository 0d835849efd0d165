// policy: which requests are worth an audit event, how much goes into it, and at which stages one
// is written. PURE; immutable after parse(), any thread.
// Follows: audit.k8s.io/v1 Policy; "Auditing" of Kubernetes' documentation. The first rule that
// matches counts; where none does nothing is written.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/result.h"

namespace orch::audit {

inline constexpr size_t kMaxPolicyBytes = 1u << 20;
inline constexpr size_t kMaxRules = 1000;

enum class Level : uint8_t { none, metadata, request, request_response };
enum class Stage : uint8_t { request_received, response_started, response_complete, panic };

std::string_view to_text(Level level);  // "RequestResponse"
std::string_view to_text(Stage stage);  // "ResponseComplete"

// What a request is, as rules see it. Views; they live as long as the call.
struct Subject {
  std::string_view user;  // "" and no groups: nobody, whose credentials were refused.
  std::span<const std::string> groups;
  std::string_view verb;
  std::string_view group, resource, subresource, ns, name;
  std::string_view path;  // Of what is no resource; then the line above is empty.
};

// What to do about a request.
struct Verdict {
  Level level = Level::none;
  uint8_t omitted_stages = 0;  // 1 << Stage
  bool omit_managed_fields = false;

  bool writes(Stage stage) const {
    return level != Level::none && !(omitted_stages & (1 << static_cast<int>(stage)));
  }
};

class Policy {
 public:
  // 400 with the path of the first field that can't be meant; unknown fields are refused, for a
  // rule with a typing error would write what it was to keep out.
  static Result<Policy> parse(const api::Value& document);

  Verdict judge(const Subject& subject) const;

 private:
  struct Resources {
    std::string group;
    std::vector<std::string> resources, names;
  };
  struct Rule {
    Verdict verdict;
    std::vector<std::string> users, groups, verbs, namespaces, paths;
    std::vector<Resources> resources;
  };
  static Result<Rule> parse_rule(const api::Value& value, const std::string& path);
  static bool matches(const Rule& rule, const Subject& subject);
  static bool matches(const Resources& resources, const Subject& subject);

  std::vector<Rule> rules_;
};

}  // namespace orch::audit
