// The libip4tc skin; see the header. One table at a time: take a snapshot, compare, change the
// snapshot where it differs, give it back to the kernel in one call.
#include "netfilter/commit.h"

#include <fcntl.h>
#include <sys/file.h>
// libiptc's header needs what this one defines.
#include <libiptc/libiptc.h>

#include <cerrno>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/fd.h"
#include "base/log.h"
#include "netfilter/encode.h"

namespace orch::netfilter {
namespace {

constexpr int kMaxAttempts = 5;  // The table may change under us by programs that take no lock.

struct FreeHandle {
  void operator()(xtc_handle* handle) const { iptc_free(handle); }
};
using Handle = std::unique_ptr<xtc_handle, FreeHandle>;

Status iptc_error(const std::string& what, int error_number) {
  Status status = system_error("ip_tables: " + what, error_number);
  status.message = "ip_tables: " + what + ": " + iptc_strerror(error_number);
  return status;
}

bool ours(std::string_view chain) { return chain.starts_with(kChainPrefix); }

// The lock that iptables takes too; held until the descriptor closes.
Result<UniqueFd> lock_xtables(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return system_error("open " + path, errno);
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return system_error("lock " + path, errno);
  }
  return fd;
}

Result<Handle> open_table(const std::string& name) {
  Handle handle(iptc_init(name.c_str()));
  if (handle) return handle;
  switch (errno) {
    case ENOPROTOOPT:
      return service_unavailable(
          "this kernel has no ip_tables (switched off, or its module is not loaded: "
          "modprobe ip_tables); services can't work without it");
    case ENOENT:
      return service_unavailable("this kernel's ip_tables has no table \"" + name +
                                 "\" (modprobe iptable_" + name + ")");
    case EPERM:
      return forbidden("ip_tables needs CAP_NET_ADMIN and CAP_NET_RAW: run as root");
    default:
      return iptc_error("open table " + name, errno);
  }
}

// A rule as we would write it.
struct Encoded {
  std::string bytes;
  std::string normal;

  const ipt_entry* entry() const { return reinterpret_cast<const ipt_entry*>(bytes.data()); }
};

std::string target_name(const ipt_entry* entry) {
  return reinterpret_cast<const xt_entry_target*>(reinterpret_cast<const char*>(entry) +
                                                  entry->target_offset)
      ->u.user.name;
}

std::vector<Encoded> encode_rules(const std::vector<Rule>& rules) {
  std::vector<Encoded> out;
  out.reserve(rules.size());
  for (const Rule& rule : rules) {
    Encoded encoded;
    encoded.bytes = encode_rule(rule);
    encoded.normal = normal_form(*encoded.entry(), target_name(encoded.entry()));
    out.push_back(std::move(encoded));
  }
  return out;
}

// One snapshot of one table being made to agree with a wanted one.
class Sync {
 public:
  Sync(xtc_handle* handle, const Table& table) : handle_(handle), table_(table) {
    for (const char* chain = iptc_first_chain(handle_); chain; chain = iptc_next_chain(handle_))
      existing_.insert(chain);
  }

  bool changed() const { return changed_; }

  Result<void> run() {
    // All chains first, as rules may jump to any; and unused ones empty before they go.
    std::set<std::string> wanted;
    for (const Chain& chain : table_.chains) {
      wanted.insert(chain.name);
      if (!existing_.contains(chain.name))
        ORCH_TRY(act(iptc_create_chain(chain.name.c_str(), handle_), "create " + chain.name));
    }
    ORCH_TRY(sync_built_in_chains());
    for (const Chain& chain : table_.chains) ORCH_TRY(sync_chain(chain));
    return drop_unwanted(wanted);
  }

 private:
  Result<void> act(int done, const std::string& what) {
    if (!done) return iptc_error(what + " in table " + table_.name, errno);
    changed_ = true;
    return {};
  }

  Result<void> sync_chain(const Chain& chain) {
    const char* name = chain.name.c_str();
    const std::vector<Encoded> wanted = encode_rules(chain.rules);
    if (existing_.contains(chain.name)) {
      if (same(name, wanted)) return {};
      ORCH_TRY(act(iptc_flush_entries(name, handle_), "flush " + chain.name));
    }
    for (const Encoded& rule : wanted)
      ORCH_TRY(act(iptc_append_entry(name, rule.entry(), handle_), "append to " + chain.name));
    return {};
  }

  bool same(const char* chain, const std::vector<Encoded>& wanted) {
    size_t at = 0;
    for (const ipt_entry* entry = iptc_first_rule(chain, handle_); entry;
         entry = iptc_next_rule(entry, handle_), ++at) {
      if (at == wanted.size()) return false;
      if (normal_form(*entry, iptc_get_target(entry, handle_)) != wanted[at].normal) return false;
    }
    return at == wanted.size();
  }

  // Our jumps stay where they are when they are right (somebody may have put rules of theirs in
  // front on purpose); otherwise they are taken out and put at the head.
  Result<void> sync_built_in_chains() {
    for (const std::string& chain : existing_) {
      if (!iptc_builtin(chain.c_str(), handle_)) continue;
      std::vector<Encoded> wanted;
      for (const Chain& jumps : table_.jumps) {
        if (jumps.name == chain) wanted = encode_rules(jumps.rules);
      }
      std::vector<std::string> found;
      std::vector<unsigned> places;
      unsigned place = 0;
      for (const ipt_entry* entry = iptc_first_rule(chain.c_str(), handle_); entry;
           entry = iptc_next_rule(entry, handle_), ++place) {
        const char* target = iptc_get_target(entry, handle_);
        if (!ours(target)) continue;
        found.push_back(normal_form(*entry, target));
        places.push_back(place);
      }
      const bool right =
          found.size() == wanted.size() &&
          std::equal(found.begin(), found.end(), wanted.begin(),
                     [](const std::string& a, const Encoded& b) { return a == b.normal; });
      if (!right) ORCH_TRY(replace_jumps(chain, places, wanted));
    }
    return {};
  }

  Result<void> replace_jumps(const std::string& chain, const std::vector<unsigned>& places,
                             const std::vector<Encoded>& wanted) {
    for (auto place = places.rbegin(); place != places.rend(); ++place)
      ORCH_TRY(act(iptc_delete_num_entry(chain.c_str(), *place, handle_), "delete from " + chain));
    for (size_t i = 0; i < wanted.size(); ++i)
      ORCH_TRY(act(
          iptc_insert_entry(chain.c_str(), wanted[i].entry(), static_cast<unsigned>(i), handle_),
          "insert into " + chain));
    return {};
  }

  // A chain of ours that somebody else's rule jumps to can't go; it stays, empty.
  Result<void> drop_unwanted(const std::set<std::string>& wanted) {
    std::vector<std::string> unwanted;
    for (const std::string& chain : existing_) {
      if (ours(chain) && !wanted.contains(chain)) unwanted.push_back(chain);
    }
    for (const std::string& chain : unwanted) {
      if (iptc_first_rule(chain.c_str(), handle_))
        ORCH_TRY(act(iptc_flush_entries(chain.c_str(), handle_), "flush " + chain));
    }
    for (const std::string& chain : unwanted) {
      unsigned references = 0;
      iptc_get_references(&references, chain.c_str(), handle_);
      if (references > 0) {
        log::warning("netfilter", "chain " + chain + " stays: a rule of somebody else jumps to it");
        continue;
      }
      ORCH_TRY(act(iptc_delete_chain(chain.c_str(), handle_), "delete " + chain));
    }
    return {};
  }

  xtc_handle* handle_;
  const Table& table_;
  std::set<std::string> existing_;
  bool changed_ = false;
};

// True when the table had to be written. The lock is held by the caller.
Result<bool> commit_table(const Table& table) {
  int error_number = 0;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const Handle handle = ORCH_TRY(open_table(table.name));
    Sync sync(handle.get(), table);
    ORCH_TRY(sync.run());
    if (!sync.changed()) return false;
    if (iptc_commit(handle.get())) return true;
    error_number = errno;
    if (error_number != EAGAIN) break;
  }
  return iptc_error("commit table " + table.name, error_number);
}

}  // namespace

Result<CommitReport> commit_tables(const Tables& tables, const std::string& lock_path) {
  const UniqueFd lock = ORCH_TRY(lock_xtables(lock_path));
  CommitReport report;
  report.nat_changed = ORCH_TRY(commit_table(tables.nat));
  report.filter_changed = ORCH_TRY(commit_table(tables.filter));
  return report;
}

Result<void> remove_all(const std::string& lock_path) {
  const UniqueFd lock = ORCH_TRY(lock_xtables(lock_path));
  for (const char* name : {"nat", "filter"}) {
    const auto removed = commit_table(Table{name, {}, {}});
    if (!removed && removed.status().code != 503) return removed.status();
  }
  return {};
}

}  // namespace orch::netfilter
