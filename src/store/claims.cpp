#include "store/claims.h"

namespace orch::store {

namespace {

constexpr std::string_view kCause = "ClaimHeld";

}  // namespace

RecordPtr Claims::holder(std::string_view claim) const {
  const auto found = held_.find(claim);
  return found == held_.end() ? nullptr : found->second;
}

void Claims::change(const RecordPtr& before, const RecordPtr& after) {
  if (before && before->tags.has_claims()) {
    for (const std::string_view claim : before->tags.claims()) {
      const auto found = held_.find(claim);
      if (found != held_.end() && found->second->key == before->key) held_.erase(found);
    }
  }
  if (!after || !after->tags.has_claims()) return;
  for (const std::string_view claim : after->tags.claims()) held_.try_emplace(claim, after);
}

Status claim_held(std::string_view claim, std::string_view key) {
  Status status = conflict(std::string(claim) + " is held by \"" + std::string(key) + "\"");
  status.details.causes = {{std::string(kCause), std::string(claim), ""}};
  return status;
}

bool is_claim_held(const Status& status) {
  const auto& causes = status.details.causes;
  return causes.size() == 1 && causes.front().reason == kCause;
}

}  // namespace orch::store
