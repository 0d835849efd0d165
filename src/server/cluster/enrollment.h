// enrollment: the file by which a data directory says that its server is one of several, so that a
// later start needs no flag: <data-dir>/server/member/enrollment.json. Snapshots leave that folder
// out, and so a restored server is a single one again.
//
// `cluster` is a number that a log of several servers gets at its beginning: servers of a former
// log with the same CA (before a --cluster-reset, a restore) are strangers.
#pragma once

#include <optional>
#include <string>

#include "api/json.h"
#include "base/clock.h"
#include "base/result.h"
#include "server/cluster/facts.h"

namespace orch::cluster {

struct Enrollment {
  std::string cluster;  // 16 hex digits.
  // It has no log yet and begins one, with the state that it has.
  bool begins = false;
  Facts facts;
  bool operator==(const Enrollment&) const = default;
};

std::string member_dir(const std::string& data_dir);
std::string contacts_path(const std::string& data_dir);  // See contacts.h.

api::Value facts_value(const Facts& facts);
Result<Facts> read_facts(const api::Value& value);

std::string new_cluster_number(Random& random);
// Nothing when there is no file: a single server.
Result<std::optional<Enrollment>> read_enrollment(const std::string& data_dir);
Result<void> remove_enrollment(const std::string& data_dir);
// Durable and atomic.
Result<void> write_enrollment(const std::string& data_dir, const Enrollment& enrollment);

}  // namespace orch::cluster
