// `orch member list|remove|promote`: the servers of a cluster, asked of any of them over HTTPS with
// the administrator's credentials.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "api/json.h"
#include "base/files.h"
#include "cli/process.h"
#include "cli/verbs.h"
#include "client/connection.h"
#include "server/cluster/cluster.h"

namespace orch::cli {

namespace {

using api::Value;

Result<Value> call(const MemberOptions& options, const char* method, const Value& body = {}) {
  const auto read = [](const std::string& path) {
    return read_file(path, client::kMaxKubeconfigBytes);
  };
  client::ClusterAccess access =
      ORCH_TRY(client::parse_kubeconfig(ORCH_TRY(read(options.kubeconfig)), read));
  if (!options.server.empty()) access.url = options.server;
  const auto connection = ORCH_TRY(client::Connection::create(access));
  return connection->call(method, std::string(cluster::kMembersPath), body);
}

// Columns as wide as what is in them.
void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(rows.front().size());
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] + 3 - row[i].size(), ' ');
    }
    std::printf("%s\n", line.c_str());
  }
}

int order(const MemberOptions& options, const char* action, const char* done) {
  const auto answer =
      call(options, "POST", Value::object({{"action", action}, {"server", options.member}}));
  if (!answer) return fail(answer.status());
  for (const Value& member : (*answer)["members"].items())
    std::printf("%s %s (%s)\n", done, member["id"].as_string().c_str(),
                member["name"].as_string().c_str());
  return 0;
}

}  // namespace

int run_member_list(const MemberOptions& options) {
  const auto answer = call(options, "GET");
  if (!answer) return fail(answer.status());
  std::vector<std::vector<std::string>> rows = {
      {"ID", "NAME", "ADDRESS", "ROLE", "LEADER", "STATUS"}};
  for (const Value& member : (*answer)["members"].items())
    rows.push_back({member["id"].as_string(), member["name"].as_string(),
                    member["address"].as_string(), member["role"].as_string(),
                    member["leader"].as_bool() ? "true" : "false", member["status"].as_string()});
  print_table(rows);
  return 0;
}

int run_member_remove(const MemberOptions& options) { return order(options, "remove", "removed"); }
int run_member_promote(const MemberOptions& options) {
  return order(options, "promote", "promoted");
}

}  // namespace orch::cli
