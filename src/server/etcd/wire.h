// wire: what is said to etcd's v3 JSON gateway, and how its answers are read. PURE; trusts nothing
// that comes back.
//
// Keys of the store lie below kFolder, so "/pods/default/web" is "/orch/pods/default/web" in etcd.
// One transaction is one write: each object's mod_revision is its resourceVersion, and no two
// objects share one.
// Follows etcd's rpc.proto (3.4 to 3.6) in its JSON mapping: 64-bit numbers are text, bytes are
// base64, and what is zero, empty or the first of an enumeration is left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/result.h"
#include "store/engine.h"

namespace orch::etcd {

inline constexpr std::string_view kFolder = "/orch";
// Whoever made this key leads (lead.h). It isn't below kFolder.
inline constexpr std::string_view kLeaderKey = "/orch-leader";
// What servers share beside the state, sealed (datastore.h). It isn't below kFolder either.
inline constexpr std::string_view kSharedKey = "/orch-shared";
// Below it is a key for each claim (store/claims.h) with the key of the object that has it.
inline constexpr std::string_view kClaimFolder = "/orch-claims/";

// --- Requests, and the paths that they are for.

inline constexpr const char* kTxnPath = "/v3/kv/txn";
inline constexpr const char* kRangePath = "/v3/kv/range";
inline constexpr const char* kWatchPath = "/v3/watch";
inline constexpr const char* kCompactionPath = "/v3/kv/compaction";
inline constexpr const char* kGrantPath = "/v3/lease/grant";
inline constexpr const char* kKeepAlivePath = "/v3/lease/keepalive";
inline constexpr const char* kRevokePath = "/v3/lease/revoke";

// What a write takes, and gives back, of what only one object may have.
struct ClaimChanges {
  std::vector<std::string> taken, given_back;
  bool none() const { return taken.empty() && given_back.empty(); }
};
// `current`: the object as it is, null for none; the write must be bound to that state.
ClaimChanges claim_changes(const store::Write& write, const store::RecordPtr& current);

// A write under the conditions that it names; `value` is what a put puts.
std::string write_request(const store::Write& write, std::string_view value,
                          const ClaimChanges& claims = {});
// A page of all objects, after the key `start_after` ("": the first page) at `revision` (0: now).
std::string page_request(std::string_view start_after, int64_t limit, int64_t revision);
// The leader's key at `revision`; 0: now, and then the answer's header has the revision that
// everything acknowledged before is in.
std::string leader_request(int64_t revision);
// Every change in etcd from `revision` on, whoever makes it: so each revision shows up, and what
// has been seen is known without a question.
std::string watch_request(int64_t revision);
std::string shared_request();
// Puts it, if the key is still at `revision` (0: not there).
std::string share_request(std::string_view sealed, int64_t revision);
std::string compaction_request(int64_t revision);
std::string grant_request(int64_t ttl_s);
std::string lease_request(int64_t lease);  // To keep it alive, or to revoke it.
// Makes the leader's key, if there is none.
std::string lead_request(int64_t lease, std::string_view value);

// --- Answers.

// What the gateway said with another status than 200. 410 for a revision that was compacted, 413
// for too large a value, 504 when the outcome isn't known, else 503.
Status failure_of(int http_status, std::string_view body);

// The header's revision, which every answer has; etcd's cluster, "" when it doesn't say.
Result<int64_t> revision_of(const api::Value& answer);
const std::string& cluster_of(const api::Value& answer);

struct Leader {
  std::string value;
  int64_t term = 0;  // The revision that made the key; 0: there is none.
  bool operator==(const Leader&) const = default;
};

struct Written {
  bool done = false;
  int64_t revision = 0;  // Of the write; else at which it was refused:
  int64_t current = 0;   // where the key was then (0: nowhere),
  int64_t term = 0;      // and in whose term,
  // and what the further looks found: for each claim that it wanted the key of who has it, then one
  // of what came to be beyond Write::counted; "" for none.
  std::vector<std::string> found;
};
Result<Written> read_written(const api::Value& answer);
// Why a write was refused.
Status refusal(const store::Write& write, const Written& written, const ClaimChanges& claims = {});

struct Page {
  std::vector<store::Kept> kept;  // With the store's keys.
  int64_t revision = 0;           // Of the state that it is a part of.
  std::string last_key;           // What the next page starts after; "": this was the last.
};
Result<Page> read_page(const api::Value& answer);
Result<Leader> read_leader(const api::Value& answer);

struct Shared {
  std::string sealed;
  int64_t revision = 0;  // 0: nothing is there.
};
Result<Shared> read_shared(const api::Value& answer);

struct Seen {
  bool begins = false;   // The first message of a watch; else
  int64_t revision = 0;  // all up to here has been seen. (First: the newest of etcd.)
  std::string cluster;   // As in cluster_of().
  std::vector<store::Kept> changes;
  std::optional<Leader> leader;  // What became of its key, if anything.
};
// A line of a watch. 410 when what it should begin with was compacted.
Result<Seen> read_seen(std::string_view line);

struct Lease {
  int64_t id = 0;
  int64_t ttl_s = 0;  // 0: it has run out.
};
Result<Lease> read_lease(const api::Value& answer);

}  // namespace orch::etcd
