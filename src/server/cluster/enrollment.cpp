#include "server/cluster/enrollment.h"

#include <algorithm>

#include "base/files.h"
#include "server/cluster/identity.h"

namespace orch::cluster {
namespace {

using api::Value;

constexpr size_t kMaxFileBytes = 64u << 10;

std::string path_in(const std::string& data_dir) {
  return member_dir(data_dir) + "/enrollment.json";
}

}  // namespace

std::string member_dir(const std::string& data_dir) { return data_dir + "/server/member"; }

std::string new_cluster_number(Random& random) {
  return id_text(std::max<uint64_t>(random.next_u64(), 1));
}

std::string contacts_path(const std::string& data_dir) {
  return member_dir(data_dir) + "/contacts.json";
}

Value facts_value(const Facts& facts) {
  return Value::object({{"clusterCidr", facts.cluster_cidr},
                        {"serviceCidr", facts.service_cidr},
                        {"clusterDns", facts.cluster_dns},
                        {"clusterDomain", facts.cluster_domain},
                        {"nodePorts", facts.node_ports}});
}

Result<Facts> read_facts(const Value& value) {
  Facts facts{value["clusterCidr"].as_string(), value["serviceCidr"].as_string(),
              value["clusterDns"].as_string(), value["clusterDomain"].as_string(),
              value["nodePorts"].as_string()};
  for (const std::string* text : {&facts.cluster_cidr, &facts.service_cidr, &facts.cluster_dns,
                                  &facts.cluster_domain, &facts.node_ports}) {
    if (text->empty()) return bad_request("a fact of the cluster is missing");
  }
  return facts;
}

Result<std::optional<Enrollment>> read_enrollment(const std::string& data_dir) {
  const std::string path = path_in(data_dir);
  if (!file_exists(path)) return std::optional<Enrollment>();
  const auto read = [&]() -> Result<Enrollment> {
    const Value value = ORCH_TRY(api::parse_json(ORCH_TRY(read_file(path, kMaxFileBytes))));
    Enrollment enrollment;
    enrollment.cluster = value["cluster"].as_string();
    if (!parse_id(enrollment.cluster)) return bad_request("the cluster's number is missing");
    enrollment.begins = value["begins"].as_bool();
    enrollment.facts = ORCH_TRY(read_facts(value["facts"]));
    return enrollment;
  };
  auto enrollment = read();
  if (!enrollment) return std::move(enrollment).status().in(path);
  return std::optional(*std::move(enrollment));
}

Result<void> remove_enrollment(const std::string& data_dir) {
  return remove_tree(path_in(data_dir));
}

Result<void> write_enrollment(const std::string& data_dir, const Enrollment& enrollment) {
  ORCH_TRY(make_dirs(member_dir(data_dir), 0700));
  const Value value = Value::object({{"cluster", enrollment.cluster},
                                     {"begins", enrollment.begins},
                                     {"facts", facts_value(enrollment.facts)}});
  return write_file_atomic(path_in(data_dir), api::to_json(value) + "\n", 0600);
}

}  // namespace orch::cluster
