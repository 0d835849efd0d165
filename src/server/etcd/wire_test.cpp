// What is said to etcd and what it says, as Debian's etcd 3.4 does.
#include "server/etcd/wire.h"

#include <catch2/catch_test_macros.hpp>

#include "base/strings.h"
#include "server/etcd/datastore.h"
#include "store/claims.h"

namespace orch::etcd {

namespace {

api::Value parsed(const std::string& text) {
  auto value = api::parse_json(text);
  if (!value) FAIL(text << ": " << value.status().message);
  return *std::move(value);
}

std::string text_of(const api::Value& value) { return base64_decode(value.as_string()).value(); }
std::string b64(std::string_view text) { return base64_encode(text); }

store::Write write_of(std::optional<std::string> bytes, std::optional<int64_t> expected) {
  store::Write write;
  write.key = "/pods/a/b";
  write.bytes = std::move(bytes);
  write.expected_revision = expected;
  return write;
}

std::string kv(std::string_view key, int made, int changed, std::string_view value) {
  return R"({"key":")" + b64(key) + R"(","create_revision":")" + std::to_string(made) +
         R"(","mod_revision":")" + std::to_string(changed) + R"(","version":"1","value":")" +
         b64(value) + "\"}";
}

std::string message(const std::string& inside) {
  return R"({"result":{"header":{"cluster_id":"7","revision":"40","raft_term":"2"})" + inside +
         "}}";
}

std::string refused(const std::string& object, const std::string& leader) {
  return R"({"header":{"revision":"12"},"responses":[{"response_range":{"kvs":[)" + object +
         R"(]}},{"response_range":{"kvs":[)" + leader + "]}}]}";
}

}  // namespace

TEST_CASE("a write is one transaction with what it expects") {
  const api::Value create = parsed(write_request(write_of("x", 0), "0\nx"));
  const api::Value& condition = create["compare"][0];
  CHECK(text_of(condition["key"]) == "/orch/pods/a/b");
  CHECK(condition["target"].as_string() == "MOD");
  CHECK(condition["result"].as_string() == "EQUAL");
  CHECK(condition["mod_revision"].as_string() == "0");
  const api::Value& put = create["success"][0]["request_put"];
  CHECK(text_of(put["key"]) == "/orch/pods/a/b");
  CHECK(text_of(put["value"]) == "0\nx");
  CHECK(text_of(create["failure"][0]["request_range"]["key"]) == "/orch/pods/a/b");
  CHECK(text_of(create["failure"][1]["request_range"]["key"]) == kLeaderKey);

  CHECK(parsed(write_request(write_of("x", 17), ""))["compare"][0]["mod_revision"].as_string() ==
        "17");
  CHECK(parsed(write_request(write_of("x", {}), ""))["compare"].size() == 0);

  // Deleting what is not there is NotFound.
  const api::Value remove = parsed(write_request(write_of({}, {}), ""));
  CHECK(remove["compare"][0]["result"].as_string() == "GREATER");
  CHECK(text_of(remove["success"][0]["request_delete_range"]["key"]) == "/orch/pods/a/b");

  store::Write fenced = write_of("x", 17);
  fenced.only_in_term = 5;
  const api::Value both = parsed(write_request(fenced, ""));
  REQUIRE(both["compare"].size() == 2);
  CHECK(text_of(both["compare"][1]["key"]) == kLeaderKey);
  CHECK(both["compare"][1]["target"].as_string() == "CREATE");
  CHECK(both["compare"][1]["create_revision"].as_string() == "5");
}

TEST_CASE("what a write met is told in the store's words") {
  const auto done = *read_written(
      parsed(R"({"header":{"revision":"9"},"succeeded":true,"responses":[{"response_put":{}}]})"));
  CHECK(done.done);
  CHECK(done.revision == 9);

  const std::string object = kv("/orch/pods/a/b", 3, 11, "");
  const std::string leader = kv(kLeaderKey, 5, 5, "ab");
  const auto lost = *read_written(parsed(refused(object, leader)));
  CHECK_FALSE(lost.done);
  CHECK(lost.revision == 12);
  CHECK(lost.current == 11);
  CHECK(lost.term == 5);
  CHECK(refusal(write_of("x", 0), lost).already_exists());
  CHECK(refusal(write_of("x", 7), lost).conflict());
  const auto gone = *read_written(parsed(refused("", leader)));
  CHECK(refusal(write_of("x", 7), gone).not_found());
  CHECK(refusal(write_of({}, {}), gone).not_found());
  store::Write fenced = write_of("x", 11);
  fenced.only_in_term = 4;
  CHECK(refusal(fenced, lost).code == 503);
  fenced.only_in_term = 5;
  CHECK(refusal(fenced, lost).code == 500);  // etcd had no reason to refuse it.

  CHECK_FALSE(read_written(parsed("{}")).ok());
  CHECK_FALSE(read_written(parsed(R"({"header":{"revision":"12"}})")).ok());
}

TEST_CASE("what only one object may have is a key of its own in the same transaction") {
  const auto record = [](std::vector<std::string> claims) {
    store::Tags tags;
    tags.claims = std::move(claims);
    return store::Record::make({.key = "/pods/a/b", .bytes = "{}", .revision = 7}, tags);
  };
  store::Write write = write_of("x", 7);
  write.tags.claims = {"port 1", "port 2"};
  CHECK(claim_changes(write_of("x", 7), nullptr).none());
  CHECK(claim_changes(write, record({"port 2", "port 1"})).none());
  CHECK(claim_changes(write, nullptr).taken == write.tags.claims);
  const ClaimChanges changes = claim_changes(write, record({"port 2", "port 3"}));
  CHECK(changes.taken == std::vector<std::string>{"port 1"});
  CHECK(changes.given_back == std::vector<std::string>{"port 3"});
  write.bytes.reset();
  CHECK(claim_changes(write, record({"port 2"})).given_back == std::vector<std::string>{"port 2"});
  CHECK(claim_changes(write, record({"port 2"})).taken.empty());

  write.bytes = "x";
  const api::Value request = parsed(write_request(write, "0\nx", changes));
  CHECK(text_of(request["compare"][1]["key"]) == "/orch-claims/port 1");
  CHECK(request["compare"][1]["create_revision"].as_string() == "0");
  CHECK(text_of(request["success"][1]["request_put"]["value"]) == "/pods/a/b");
  CHECK(text_of(request["success"][2]["request_delete_range"]["key"]) == "/orch-claims/port 3");
  CHECK(text_of(request["failure"][2]["request_range"]["key"]) == "/orch-claims/port 1");

  Written lost{.done = false, .revision = 9, .current = 7, .term = 0, .found = {"/services/a/c"}};
  const Status held = refusal(write, lost, changes);
  CHECK(store::is_claim_held(held));
  CHECK(held.message.find("/services/a/c") != held.message.npos);
  lost.current = 8;
  CHECK_FALSE(store::is_claim_held(refusal(write, lost, changes)));  // That comes first.
}

TEST_CASE("a count must still be whole") {
  store::Write write = write_of("x", 0);
  write.counted = {"/pods/a/", 30};
  const api::Value request = parsed(write_request(write, ""));
  const api::Value& condition = request["compare"][1];
  CHECK(text_of(condition["key"]) == "/orch/pods/a/");
  CHECK(text_of(condition["range_end"]) == "/orch/pods/a0");
  CHECK(condition["target"].as_string() == "CREATE");
  CHECK(condition["result"].as_string() == "LESS");
  CHECK(condition["create_revision"].as_string() == "31");
  const Status status =
      refusal(write, {.done = false, .revision = 32, .found = {"/orch/pods/a/c"}});
  CHECK(status.conflict());
  CHECK(status.message.find("than was counted") != status.message.npos);
}

TEST_CASE("a page has the store's keys, and says where the next one begins") {
  const api::Value first = parsed(page_request("", 2, 0));
  CHECK(text_of(first["key"]) == "/orch/");
  CHECK(text_of(first["range_end"]) == "/orch0");
  const api::Value next = parsed(page_request("/orch/a", 2, 40));
  CHECK(text_of(next["key"]) == std::string("/orch/a\0", 8));
  CHECK(next["revision"].as_string() == "40");

  const std::string two = kv("/orch/a/1", 3, 4, "1") + "," + kv("/orch/a/2", 5, 5, "2");
  const Page page = *read_page(
      parsed(R"({"header":{"revision":"40"},"more":true,"count":"9","kvs":[)" + two + "]}"));
  REQUIRE(page.kept.size() == 2);
  CHECK(page.kept[0].key == "/a/1");
  CHECK(page.kept[0].create_revision == 3);
  CHECK(page.kept[0].revision == 4);
  CHECK(page.kept[1].value == "2");
  CHECK(page.last_key == "/orch/a/2");
  CHECK(page.revision == 40);
  const Page none = *read_page(parsed(R"({"header":{"revision":"1"}})"));
  CHECK(none.kept.empty());
  CHECK(none.last_key.empty());

  for (const std::string& bad :
       {kv("/other/a", 3, 4, "1"), kv("/orch/a", 5, 4, "1"), kv("/orch/a", 0, 4, "1"),
        std::string(R"({"key":"%%%","create_revision":"1","mod_revision":"1"})")}) {
    CHECK_FALSE(read_page(parsed(R"({"header":{"revision":"40"},"kvs":[)" + bad + "]}")).ok());
  }
}

TEST_CASE("a watch tells of ours, of the leader, and of how far it is") {
  const Seen begin = *read_seen(message(R"(,"created":true)"));
  CHECK(begin.begins);
  CHECK(begin.revision == 40);
  CHECK(begin.cluster == "7");

  const std::string removed =
      R"({"type":"DELETE","kv":{"key":")" + b64("/orch/pods/a/c") + R"(","mod_revision":"22"}})";
  const Seen seen =
      *read_seen(message(R"(,"events":[{"kv":)" + kv("/orch/pods/a/b", 20, 20, "v") +
                         R"(},{"kv":)" + kv("/others", 21, 21, "v") + "}," + removed + "]"));
  REQUIRE(seen.changes.size() == 2);
  CHECK(seen.changes[0].key == "/pods/a/b");
  CHECK(seen.changes[0].value == "v");
  CHECK(seen.changes[1].removed);
  CHECK(seen.changes[1].revision == 22);
  CHECK(seen.revision == 22);  // The header is ahead of what was told.
  CHECK_FALSE(seen.leader);

  CHECK(read_seen(message(R"(,"events":[{"kv":)" + kv("/others", 21, 23, "v") + "}]"))->revision ==
        23);
  CHECK(read_seen(message(""))->revision == 40);  // Progress.

  const Seen leads =
      *read_seen(message(R"(,"events":[{"kv":)" + kv(kLeaderKey, 30, 30, "ab") + "}]"));
  CHECK(leads.leader == Leader{"ab", 30});
  CHECK(leads.changes.empty());
  const Seen resigned = *read_seen(message(R"(,"events":[{"type":"DELETE","kv":{"key":")" +
                                           b64(kLeaderKey) + R"(","mod_revision":"31"}}])"));
  CHECK(resigned.leader == Leader());
}

TEST_CASE("what servers share is put over the state that was read, and over no other") {
  CHECK(read_shared(*api::parse_json("{}"))->revision == 0);
  const Shared read =
      *read_shared(*api::parse_json(R"({"kvs":[)" + kv(kSharedKey, 3, 7, "sealed") + "]}"));
  CHECK(read.sealed == "sealed");
  CHECK(read.revision == 7);
  const api::Value put = *api::parse_json(share_request("again", 7));
  CHECK(put["compare"][0]["mod_revision"].as_string() == "7");
  CHECK(text_of(put["success"][0]["request_put"]["value"]) == "again");
  // Others' watches pass over it.
  CHECK(read_seen(message(R"(,"events":[{"kv":)" + kv(kSharedKey, 3, 7, "x") + "}]"))
            ->changes.empty());
}

TEST_CASE("an answer without a revision can't say how new what is here must be") {
  CHECK(revision_of(parsed(R"({"header":{"revision":"9"}})")).value() == 9);
  for (const char* text : {"{}", R"({"header":{}})", R"({"header":{"revision":"x"}})",
                           R"({"header":{"revision":"-3"}})", "[]"}) {
    INFO(text);
    CHECK_FALSE(revision_of(parsed(text)).ok());
  }
}

TEST_CASE("a watch that ends says why") {
  CHECK(read_seen(message(R"(,"canceled":true,"compact_revision":"33")")).status().gone());
  CHECK(read_seen(message(R"(,"canceled":true,"cancel_reason":"no leader")")).status().code == 503);
  CHECK(read_seen(R"({"error":{"grpc_code":14,"message":"gone","http_code":503}})").status().code ==
        503);
  const std::string ahead = kv("/orch/a", 9, 9, ""), behind = kv("/orch/b", 8, 8, "");
  CHECK_FALSE(
      read_seen(message(R"(,"events":[{"kv":)" + ahead + R"(},{"kv":)" + behind + "}]")).ok());
  for (const char* bad : {"", "{", "[]", "{}", R"({"result":{}})", R"({"result":{"events":[{}]}})",
                          R"({"result":{"events":[{"type":"OTHER","kv":{}}]}})"}) {
    CHECK_FALSE(read_seen(bad).ok());
  }
}

TEST_CASE("a refusal of the gateway has a code that fits") {
  const auto code = [](const char* body) { return failure_of(400, body).code; };
  CHECK(code(R"({"error":"etcdserver: mvcc: required revision has been compacted","code":11})") ==
        410);
  CHECK(code(R"({"error":"x","message":"etcdserver: request is too large","code":3})") == 413);
  CHECK(code(R"({"error":"trying to send message larger than max, 3 vs. 2","code":8
})") == 413);
  CHECK(code(R"({"error":"etcdserver: request timed out","code":14})") == 504);
  CHECK(code(R"({"error":"etcdserver: mvcc: database space exceeded","code":8})") == 503);
  CHECK(code("<html>") == 503);
  CHECK(failure_of(502, "").message == "etcd: HTTP status 502");
}

TEST_CASE("leases are read in both of their forms") {
  CHECK(read_lease(parsed(R"({"ID":"2324035648592475660","TTL":"5"})"))->id == 2324035648592475660);
  CHECK(read_lease(parsed(R"({"result":{"ID":"7","TTL":"6"}})"))->ttl_s == 6);
  CHECK(read_lease(parsed(R"({"result":{"ID":"7"}})"))->ttl_s == 0);  // Run out.
  CHECK_FALSE(read_lease(parsed("{}")).ok());
}

TEST_CASE("flags of a datastore that can't be are named") {
  const auto wrong = [](DatastoreFlags flags) {
    const auto made = Datastore::create(flags, system_random());
    return made ? std::string() : made.status().message;
  };
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != text.npos;
  };
  CHECK(wrong({.endpoint = "http://127.0.0.1:2379, https://[::1]:2379"}).empty());
  CHECK(has(wrong({.endpoint = "127.0.0.1:2379"}), "must be an http:// or https:// URL"));
  CHECK(has(wrong({.endpoint = "mysql://x"}), "must be an http:// or https:// URL"));
  CHECK(has(wrong({.endpoint = "http://a:1,"}), "\"\""));
  CHECK(has(wrong({.endpoint = "https://a", .ca_file = "/none"}), "--datastore-cafile"));
  CHECK(has(wrong({.endpoint = "http://a", .compaction = "1"}), "--etcd-compaction-interval"));
}

}  // namespace orch::etcd
