#include "server/etcd/wire.h"

#include <algorithm>

#include "base/strings.h"
#include "store/claims.h"
#include "store/expected.h"

namespace orch::etcd {

namespace {

using api::Value;

constexpr std::string_view kFirstKey = "/orch/";
constexpr std::string_view kPastLastKey = "/orch0";      // '0' follows '/'.
constexpr std::string_view kAllKeys("\0", 1);            // As key and as end of the range.
constexpr int kUnavailable = 14, kDeadlineExceeded = 4;  // Of gRPC.

std::string etcd_key(std::string_view key) { return std::string(kFolder).append(key); }

// "name":"<base64>"
std::string bytes_field(std::string_view name, std::string_view bytes) {
  return "\"" + std::string(name) + "\":\"" + base64_encode(bytes) + "\"";
}

std::string number_field(std::string_view name, int64_t number) {
  return "\"" + std::string(name) + "\":\"" + std::to_string(number) + "\"";
}

std::string compare(std::string_view key, const char* target, const char* result,
                    const std::string& operand) {
  return "{" + bytes_field("key", key) + ",\"target\":\"" + target + "\",\"result\":\"" + result +
         "\"," + operand + "}";
}

std::string look(std::string_view key) {
  return "{\"request_range\":{" + bytes_field("key", key) + ",\"keys_only\":true}}";
}

std::string claim_key(std::string_view claim) { return std::string(kClaimFolder).append(claim); }

// The end of the range of all keys that begin so. (Ours never end with the last of all bytes.)
std::string past(std::string prefix) {
  ++prefix.back();
  return prefix;
}

std::string counted_range(const store::Write::Counted& counted) {
  const std::string prefix = etcd_key(counted.prefix);
  return bytes_field("key", prefix) + "," + bytes_field("range_end", past(prefix));
}

int64_t number(const Value& value) {
  if (value.is_int()) return value.as_int();
  return parse_int(value.as_string()).value_or(0);
}

Result<std::string> bytes(const Value& value) {
  if (value.is_null()) return std::string();
  auto decoded = base64_decode(value.as_string());
  if (!value.is_string() || !decoded) return internal_error("etcd sent bytes that are no base64");
  return *std::move(decoded);
}

Status strange(const char* what) {
  return internal_error(std::string("etcd's answer makes no sense: ") + what);
}

// Nothing when the key isn't the store's.
Result<std::optional<store::Kept>> read_kept(const Value& kv, bool removed) {
  std::string key = ORCH_TRY(bytes(kv["key"]));
  if (!key.starts_with(kFirstKey)) return std::optional<store::Kept>();
  store::Kept kept;
  kept.key = key.substr(kFolder.size());
  kept.revision = number(kv["mod_revision"]);
  kept.removed = removed;
  if (kept.revision <= 0) return strange("a key without a revision");
  if (removed) return std::optional(std::move(kept));
  kept.create_revision = number(kv["create_revision"]);
  kept.value = ORCH_TRY(bytes(kv["value"]));
  if (kept.create_revision <= 0 || kept.create_revision > kept.revision)
    return strange("a key that was changed before it was made");
  return std::optional(std::move(kept));
}

Result<Leader> read_leader_of(const Value& kv) {
  std::string value = ORCH_TRY(bytes(kv["value"]));
  return Leader{std::move(value), number(kv["create_revision"])};
}

Result<void> read_event(const Value& event, Seen* seen) {
  const std::string& type = event["type"].as_string();
  const bool removed = type == "DELETE";
  if (!removed && !type.empty() && type != "PUT") return strange("an event of an unknown type");
  const Value& kv = event["kv"];
  const int64_t revision = number(kv["mod_revision"]);
  if (revision <= 0 || revision < seen->revision) return strange("events out of order");
  seen->revision = revision;
  auto kept = ORCH_TRY(read_kept(kv, removed));
  if (kept) {
    seen->changes.push_back(*std::move(kept));
  } else if (ORCH_TRY(bytes(kv["key"])) == kLeaderKey) {
    seen->leader = removed ? Leader() : ORCH_TRY(read_leader_of(kv));
  }
  return {};
}

}  // namespace

ClaimChanges claim_changes(const store::Write& write, const store::RecordPtr& current) {
  ClaimChanges changes;
  const auto& wanted = write.tags.claims;
  std::vector<std::string_view> held;
  if (current && current->tags.has_claims()) held = current->tags.claims();
  const auto has = [](const auto& all, std::string_view claim) {
    return std::ranges::find(all, claim) != all.end();
  };
  if (write.bytes) {
    for (const std::string& claim : wanted) {
      if (!has(held, claim)) changes.taken.push_back(claim);
    }
  }
  for (const std::string_view claim : held) {
    if (!write.bytes || !has(wanted, claim)) changes.given_back.emplace_back(claim);
  }
  return changes;
}

std::string write_request(const store::Write& write, std::string_view value,
                          const ClaimChanges& claims) {
  const std::string key = etcd_key(write.key);
  std::vector<std::string> conditions, success, failure{look(key), look(kLeaderKey)};
  if (write.expected_revision) {
    conditions.push_back(
        compare(key, "MOD", "EQUAL", number_field("mod_revision", *write.expected_revision)));
  } else if (!write.bytes) {
    conditions.push_back(compare(key, "MOD", "GREATER", number_field("mod_revision", 0)));
  }
  if (write.only_in_term) {
    const auto term = static_cast<int64_t>(*write.only_in_term);
    conditions.push_back(
        compare(kLeaderKey, "CREATE", "EQUAL", number_field("create_revision", term)));
  }
  const std::string object = bytes_field("key", key);
  success.push_back(write.bytes
                        ? "{\"request_put\":{" + object + "," + bytes_field("value", value) + "}}"
                        : "{\"request_delete_range\":{" + object + "}}");
  for (const std::string& claim : claims.taken) {
    const std::string held = bytes_field("key", claim_key(claim));
    conditions.push_back(
        compare(claim_key(claim), "CREATE", "EQUAL", number_field("create_revision", 0)));
    success.push_back("{\"request_put\":{" + held + "," + bytes_field("value", write.key) + "}}");
    failure.push_back("{\"request_range\":{" + held + "}}");
  }
  for (const std::string& claim : claims.given_back) {
    success.push_back("{\"request_delete_range\":{" + bytes_field("key", claim_key(claim)) + "}}");
  }
  if (write.counted) {
    // Every key of the range must fulfil it.
    const std::string range = counted_range(*write.counted);
    const std::string next = std::to_string(write.counted->revision + 1);
    conditions.push_back("{" + range + ",\"target\":\"CREATE\",\"result\":\"LESS\"," +
                         "\"create_revision\":\"" + next + "\"}");
    failure.push_back("{\"request_range\":{" + range + ",\"min_create_revision\":\"" + next +
                      "\",\"limit\":\"1\",\"keys_only\":true}}");
  }
  return "{\"compare\":[" + join(conditions, ",") + "],\"success\":[" + join(success, ",") +
         "],\"failure\":[" + join(failure, ",") + "]}";
}

std::string page_request(std::string_view start_after, int64_t limit, int64_t revision) {
  std::string first(kFirstKey);
  if (!start_after.empty()) first = std::string(start_after) + '\0';
  return "{" + bytes_field("key", first) + "," + bytes_field("range_end", kPastLastKey) + "," +
         number_field("limit", limit) + "," + number_field("revision", revision) + "}";
}

std::string leader_request(int64_t revision) {
  return "{" + bytes_field("key", kLeaderKey) + "," + number_field("revision", revision) + "}";
}

std::string shared_request() { return "{" + bytes_field("key", kSharedKey) + "}"; }

std::string share_request(std::string_view sealed, int64_t revision) {
  return "{\"compare\":[" +
         compare(kSharedKey, "MOD", "EQUAL", number_field("mod_revision", revision)) +
         "],\"success\":[{\"request_put\":{" + bytes_field("key", kSharedKey) + "," +
         bytes_field("value", sealed) + "}}]}";
}

std::string watch_request(int64_t revision) {
  return "{\"create_request\":{" + bytes_field("key", kAllKeys) + "," +
         bytes_field("range_end", kAllKeys) + "," + number_field("start_revision", revision) +
         ",\"progress_notify\":true}}";
}

std::string compaction_request(int64_t revision) {
  return "{" + number_field("revision", revision) + "}";
}

std::string grant_request(int64_t ttl_s) { return "{" + number_field("TTL", ttl_s) + "}"; }
std::string lease_request(int64_t lease) { return "{" + number_field("ID", lease) + "}"; }

std::string lead_request(int64_t lease, std::string_view value) {
  return "{\"compare\":[" +
         compare(kLeaderKey, "CREATE", "EQUAL", number_field("create_revision", 0)) +
         "],\"success\":[{\"request_put\":{" + bytes_field("key", kLeaderKey) + "," +
         bytes_field("value", value) + "," + number_field("lease", lease) + "}}]}";
}

Status failure_of(int http_status, std::string_view body) {
  const auto answer = api::parse_json(body);
  std::string why = answer ? (*answer)["message"].as_string() : "";
  if (why.empty() && answer) why = (*answer)["error"].as_string();
  const int64_t code = answer ? (*answer)["code"].as_int() : 0;
  if (why.empty()) why = "HTTP status " + std::to_string(http_status);
  why = "etcd: " + why;
  if (why.find("required revision has been compacted") != why.npos) return expired(why);
  if (why.find("request is too large") != why.npos || why.find("larger than max") != why.npos)
    return too_large(why);
  // It may have been on its way to the others when the leader was lost.
  if (code == kUnavailable || code == kDeadlineExceeded) return gateway_timeout(why);
  return service_unavailable(why);
}

Result<int64_t> revision_of(const Value& answer) {
  const int64_t revision = number(answer["header"]["revision"]);
  if (revision <= 0) return strange("it has no revision");
  return revision;
}
const std::string& cluster_of(const Value& answer) {
  return answer["header"]["cluster_id"].as_string();
}

Result<Written> read_written(const Value& answer) {
  Written written;
  written.done = answer["succeeded"].as_bool();
  written.revision = ORCH_TRY(revision_of(answer));
  if (written.done) return written;
  const Value& looks = answer["responses"];
  if (looks.size() < 2) return strange("a refusal without its reasons");
  const auto found = [&](size_t at) -> const Value& {
    return looks[at]["response_range"]["kvs"][0];
  };
  written.current = number(found(0)["mod_revision"]);
  written.term = number(found(1)["create_revision"]);
  for (size_t at = 2; at < looks.size(); ++at) {
    const Value& kv = found(at);
    written.found.push_back(ORCH_TRY(bytes(kv[kv.has("value") ? "value" : "key"])));
  }
  return written;
}

Status refusal(const store::Write& write, const Written& written, const ClaimChanges& claims) {
  if (write.only_in_term && static_cast<int64_t>(*write.only_in_term) != written.term) {
    return service_unavailable("\"" + write.key + "\": another server leads by now");
  }
  const Result<void> fits = store::check_expected(write, written.current);
  if (!fits) return fits.status();
  for (size_t i = 0; i < claims.taken.size() && i < written.found.size(); ++i) {
    if (!written.found[i].empty()) return store::claim_held(claims.taken[i], written.found[i]);
  }
  if (write.counted) {
    return conflict("more was made below \"" + write.counted->prefix + "\" than was counted");
  }
  return internal_error("etcd refused a write of \"" + write.key + "\" without a reason");
}

Result<Page> read_page(const Value& answer) {
  Page page;
  page.revision = ORCH_TRY(revision_of(answer));
  for (const Value& kv : answer["kvs"].items()) {
    auto kept = ORCH_TRY(read_kept(kv, false));
    if (!kept) return strange("a page with another folder's key");
    page.kept.push_back(*std::move(kept));
  }
  if (answer["more"].as_bool()) {
    if (page.kept.empty()) return strange("an empty page that is not the last");
    page.last_key = etcd_key(page.kept.back().key);
  }
  return page;
}

Result<Leader> read_leader(const Value& answer) {
  const Value& kv = answer["kvs"][0];
  if (kv.is_null()) return Leader();
  return read_leader_of(kv);
}

Result<Shared> read_shared(const Value& answer) {
  const Value& kv = answer["kvs"][0];
  if (kv.is_null()) return Shared();
  std::string value = ORCH_TRY(bytes(kv["value"]));
  return Shared{std::move(value), number(kv["mod_revision"])};
}

Result<Seen> read_seen(std::string_view line) {
  const Value message =
      ORCH_TRY(api::parse_json(line, {.max_bytes = line.size(), .duplicates = nullptr}));
  const Value& result = message["result"];
  if (!result.is_object()) {
    return service_unavailable("etcd ended the watch: " + message["error"]["message"].as_string());
  }
  if (const int64_t compacted = number(result["compact_revision"]); compacted > 0) {
    return expired("etcd has forgotten what was before revision " + std::to_string(compacted));
  }
  if (result["canceled"].as_bool()) {
    return service_unavailable("etcd ended the watch: " + result["cancel_reason"].as_string());
  }
  Seen seen;
  seen.begins = result["created"].as_bool();
  seen.cluster = cluster_of(result);
  for (const Value& event : result["events"].items()) ORCH_TRY(read_event(event, &seen));
  // Only without events does the header say what has been seen.
  if (seen.revision == 0) seen.revision = ORCH_TRY(revision_of(result));
  return seen;
}

Result<Lease> read_lease(const Value& answer) {
  // Keeping one alive is a stream, whose messages are wrapped.
  const Value& lease = answer.has("result") ? answer["result"] : answer;
  const Lease read{number(lease["ID"]), number(lease["TTL"])};
  if (read.id == 0) return strange("a lease without an id");
  return read;
}

}  // namespace orch::etcd
