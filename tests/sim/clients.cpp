#include "clients.h"

#include "base/check.h"

namespace orch::sim {

namespace {

constexpr int kClients = 8;
constexpr int kKeys = 6;
constexpr std::string_view kHead = R"({"metadata":{"resourceVersion":")";

}  // namespace

void Clients::begin() {
  for (int client = 0; client < kClients; ++client) next();
}

void Clients::next() {
  if (ended_) return;
  world_.after(world_.between(1, 60), [this] { ask(); });
}

Operation Clients::make_operation(Server& server, size_t at) {
  Operation operation;
  operation.key = "/k/" + std::to_string(world_.below(kKeys));
  operation.text = "w" + std::to_string(at);
  operation.asked = world_.tick();
  const uint64_t kind = world_.below(10);
  if (kind < 4) {
    operation.kind = Operation::read;
    return operation;
  }
  operation.kind = kind < 6 ? Operation::remove : Operation::put;
  if (!world_.chance(700)) return operation;
  const store::RecordPtr now = server.machine().get(operation.key);
  operation.expected = now ? now->revision : 0;
  if (operation.kind == Operation::remove && !now) operation.expected.reset();
  return operation;
}

void Clients::ask() {
  Server& server = *cluster_.servers[world_.below(cluster_.servers.size())];
  if (!server.lives()) return next();
  const size_t at = history_.operations.size();
  history_.operations.push_back(make_operation(server, at));
  ++open_;
  say(at, "is asked of server " + std::to_string(server.id()));
  const auto ended = std::make_shared<bool>(false);
  const auto go_on = [this, ended] {
    if (std::exchange(*ended, true)) return;
    --open_;
    next();
  };
  const bool reads = history_.operations[at].kind == Operation::read;
  reads ? ask_read(server, at, go_on) : ask_write(server, at, go_on);
  // Who waits for a server that died never hears of it; some go on elsewhere soon.
  world_.after(world_.chance(800) ? world_.between(200, 2000) : 12'000, go_on);
}

void Clients::ask_write(Server& server, size_t at, const std::function<void()>& go_on) {
  const Operation& operation = history_.operations[at];
  store::Write write;
  write.key = operation.key;
  write.expected_revision = operation.expected;
  if (operation.kind == Operation::put) {
    write.bytes = std::string(kHead) + R"("},"data":")" + operation.text + R"("})";
    write.revision_at = kHead.size();
  }
  server.commit(std::move(write), [this, at, go_on](Result<store::Committed> result) {
    Operation& answered = history_.operations[at];
    answered.answered = world_.tick();
    if (result.ok()) {
      answered.outcome = Operation::done;
      answered.revision = result->revision;
      history_.learn(result->revision, {answered.key, std::string(result->record->bytes),
                                        answered.kind == Operation::remove});
      ++done_;
    } else if (result.status().code < 500) {
      answered.outcome = Operation::lost_race;
    } else {
      answered.outcome = result.status().code == 504 ? Operation::unknown : Operation::refused;
    }
    say(at, "is answered");
    go_on();
  });
}

void Clients::ask_read(Server& server, size_t at, const std::function<void()>& go_on) {
  server.sync([this, &server, at, go_on](const Result<void>& synced) {
    Operation& answered = history_.operations[at];
    answered.answered = world_.tick();
    answered.outcome = synced.ok() ? Operation::done : Operation::refused;
    if (synced.ok()) {
      const auto range = server.machine().range({.prefix = answered.key});
      ORCH_CHECK(range.ok());
      answered.revision = range->revision;
      if (!range->records.empty()) {
        const store::Record& record = *range->records[0];
        answered.seen = std::string(record.bytes);
        history_.learn(record.revision, {answered.key, *answered.seen, false});
      }
      ++done_;
    }
    say(at, "is answered");
    go_on();
  });
}

// An operation in the run's story.
void Clients::say(size_t at, const std::string& what) const {
  if (!world_.tells) return;
  constexpr const char* kKinds[] = {"put", "remove", "read"};
  constexpr const char* kOutcomes[] = {"outcome unknown", "done", "lost its race", "refused"};
  const Operation& one = history_.operations[at];
  std::string line = one.text + ", the " + kKinds[one.kind] + " of " + one.key;
  if (one.expected) line += " at revision " + std::to_string(*one.expected);
  line += ", " + what;
  if (one.answered != 0) line += std::string(": ") + kOutcomes[one.outcome];
  if (one.outcome == Operation::done) line += " at revision " + std::to_string(one.revision);
  if (one.kind == Operation::read && one.answered != 0)
    line += ", saw " + one.seen.value_or("nothing");
  world_.say(line);
}

}  // namespace orch::sim
