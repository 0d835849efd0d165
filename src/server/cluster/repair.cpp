#include "server/cluster/repair.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/files.h"
#include "base/log.h"
#include "server/cluster/enrollment.h"
#include "server/cluster/identity.h"
#include "server/cluster/joining.h"

namespace orch::cluster {
namespace {

constexpr int kFirstRepairMs = 1'000, kLastRepairMs = 30'000;
constexpr size_t kMaxReasonBytes = 64u << 10;

std::string repair_dir(const std::string& data_dir) { return member_dir(data_dir) + "/repair"; }
std::string reason_path(const std::string& data_dir) { return repair_dir(data_dir) + "/reason"; }
std::string tls_dir(const std::string& data_dir) { return data_dir + "/server/tls"; }

// Whom this server knows, without who it was, and itself as it will be.
std::vector<Contact> contacts_after(const Repair& repair, const Contacts& known, uint64_t old,
                                    uint64_t fresh) {
  std::vector<Contact> all = known.all();
  std::erase_if(all, [&](const Contact& contact) {
    return contact.server == old || contact.server == fresh;
  });
  all.push_back({fresh, repair.name, repair.address, 1});
  return all;
}

// Each of the others in turn.
Result<void> ask_all(const Newcomer& newcomer, const std::vector<Contact>& contacts,
                     const Repair& repair) {
  Result<void> answer = not_found("no other server of the cluster is known");
  for (const Contact& contact : contacts) {
    if (contact.server == newcomer.id) continue;
    const auto told = introduce(newcomer, contacts, contact, repair.cancel_fd);
    answer = told ? Result<void>() : Result<void>(told.status());
    if (answer || is_final(answer.status())) break;
  }
  return answer;
}

Result<void> ask_with_patience(const Newcomer& newcomer, const std::vector<Contact>& contacts,
                               const Repair& repair) {
  for (int wait_ms = kFirstRepairMs;; wait_ms = std::min(2 * wait_ms, kLastRepairMs)) {
    auto answer = ask_all(newcomer, contacts, repair);
    if (answer || is_final(answer.status())) return answer;
    log::warning("cluster",
                 "this server's store is damaged and left as it is until the other servers take "
                 "this one in anew, which needs a majority; asking again in " +
                     std::to_string(wait_ms / 1000) + " s: " + answer.status().message);
    if (repair.wait(-1, wait_ms)) return Status{0, "", "told to end", {}};
  }
}

Result<void> move_store_aside(const std::string& data_dir) {
  const std::string store = data_dir + "/server/db", aside = damaged_dir(data_dir);
  if (!file_exists(store)) return {};  // An interrupted repair did it.
  ORCH_TRY(remove_tree(aside));
  if (std::rename(store.c_str(), aside.c_str()) != 0) return system_error("move " + store, errno);
  return {};
}

}  // namespace

std::string damaged_dir(const std::string& data_dir) { return member_dir(data_dir) + "/damaged"; }

Result<void> begin_repair(const std::string& data_dir, const std::string& reason) {
  if (repair_begun(data_dir)) return {};
  ORCH_TRY(make_dirs(repair_dir(data_dir), 0700));
  return write_file_atomic(reason_path(data_dir), reason.substr(0, kMaxReasonBytes));
}

std::optional<std::string> repair_begun(const std::string& data_dir) {
  if (!file_exists(repair_dir(data_dir))) return std::nullopt;
  return read_file(reason_path(data_dir), kMaxReasonBytes).value_or("");
}

Result<void> run_repair(const Repair& repair) {
  const std::string& data_dir = repair.data_dir;
  const ServerIdentity old = ORCH_TRY(open_identity(tls_dir(data_dir), repair.ca, *repair.clock));
  const ServerIdentity fresh =
      ORCH_TRY(open_identity(repair_dir(data_dir), repair.ca, *repair.clock));
  if (fresh.id != old.id) {
    const auto known = ORCH_TRY(Contacts::open(contacts_path(data_dir)));
    const auto contacts = contacts_after(repair, *known, old.id, fresh.id);
    log::warning("cluster", "server " + id_text(old.id) + " asks to be replaced by " +
                                id_text(fresh.id) + ", which begins without a state");
    ORCH_TRY(ask_with_patience(
        {fresh.id, fresh.peer, repair.ca.certificate, repair.cluster, old.id, repair.version},
        contacts, repair));
    ORCH_TRY(move_store_aside(data_dir));
    std::vector<uint64_t> ids;
    for (const Contact& contact : contacts) ids.push_back(contact.server);
    ORCH_TRY(known->keep_only(ids));
    ORCH_TRY(write_file_atomic(tls_dir(data_dir) + "/peer.key", fresh.peer.private_key, 0600));
    log::warning("cluster", "what was damaged is kept in " + damaged_dir(data_dir) +
                                "; this server goes on as " + id_text(fresh.id) +
                                " and gets the state from the others");
  }
  return remove_tree(repair_dir(data_dir));
}

}  // namespace orch::cluster
