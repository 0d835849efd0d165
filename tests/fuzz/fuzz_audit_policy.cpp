// Audit policies: a document is a policy or a 400 that names a place, and a policy judges any
// request. The first four lines are a request (user, verb, resource, path), the rest the policy.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "server/audit/policy.h"

using namespace orch;
using namespace orch::audit;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::array<std::string_view, 4> lines;
  for (std::string_view& line : lines) {
    const size_t end = text.find('\n');
    if (end == text.npos) return 0;
    line = text.substr(0, end);
    text.remove_prefix(end + 1);
  }
  const auto document = api::parse_yaml(text);
  if (!document.ok()) return 0;
  const auto policy = Policy::parse(*document);
  if (!policy.ok()) {
    ORCH_CHECK(policy.status().code == 400);
    ORCH_CHECK(policy.status().message.starts_with("policy"));
    return 0;
  }
  Subject subject;
  subject.user = lines[0];
  subject.verb = lines[1];
  const size_t slash = lines[2].find('/');
  subject.resource = lines[2].substr(0, slash);
  if (slash != lines[2].npos) subject.subresource = lines[2].substr(slash + 1);
  subject.path = lines[3];
  const Verdict verdict = policy->judge(subject);
  if (verdict.level == Level::none) ORCH_CHECK(!verdict.writes(Stage::response_complete));
  return 0;
}
