// Claims: who holds what only one record may hold at a time (Tags::claims), such as an address that
// was given to it. A write that wants what another record holds loses when it is applied, on every
// replica alike; so two servers can't give the same thing away at the same moment
// (docs/adr/0008). The log's thread alone.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "store/record.h"

namespace orch::store {

class Claims {
 public:
  RecordPtr holder(std::string_view claim) const;  // Null: it is free.
  // A record took the place of another; null for none. What somebody else holds stays his.
  void change(const RecordPtr& before, const RecordPtr& after);
  void clear() { held_.clear(); }

 private:
  std::unordered_map<std::string_view, RecordPtr> held_;  // The names are the records' own.
};

// 409: `claim` is held by the record at `key`.
Status claim_held(std::string_view claim, std::string_view key);
bool is_claim_held(const Status& status);

}  // namespace orch::store
