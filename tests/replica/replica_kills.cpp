// Three servers as processes, writers on all of them, and SIGKILL at random moments: one server,
// two, or all at once. Whatever any of them acknowledged must be there in the end, where it was
// acknowledged to be, and all three must hold the same.
//
//   replica_kills REPLICA_SERVER [--kills=30] [--seed=1]
#include <random>
#include <set>

#include "servers.h"

namespace orch::replica {
namespace {

constexpr size_t kInFlight = 8;  // Writes, of each server.

class Run {
 public:
  Run(const std::string& program, uint64_t seed) : servers_(program), random_(seed) {}

  int run(int kills) {
    servers_.form();
    for (int i = 0; i < kills; ++i) {
      keep_writing(30 + random_() % 200);
      kill_some();
    }
    restart_all();
    keep_writing(100);
    stop_writing();
    return check();
  }

 private:
  // Until so many more were acknowledged.
  void keep_writing(size_t count) {
    const size_t until = acknowledged_.size() + count;
    while (acknowledged_.size() < until) {
      for (uint64_t id = 1; id <= Servers::kServers; ++id) {
        while (servers_.lives(id) && servers_.open(id) < kInFlight) write(id);
      }
      servers_.hear();
    }
  }
  void stop_writing() {
    for (uint64_t id = 1; id <= Servers::kServers; ++id) {
      while (servers_.open(id) > 0) servers_.hear();
    }
  }

  void write(uint64_t id) {
    const std::string key = "/w/" + std::to_string(++writes_);
    servers_.order(id, "write " + key + " text" + std::to_string(writes_),
                   [this, key](const std::string* said) {
                     if (said != nullptr && said->starts_with("ok ")) {
                       acknowledged_[key] = said->substr(3);
                     }
                   });
  }

  void kill_some() {
    const uint64_t victim = 1 + random_() % Servers::kServers;
    const uint64_t kind = random_() % 10;
    if (kind < 6) {
      servers_.kill(victim);
      if (kind < 3) keep_writing(20);  // The two others go on.
    } else if (kind < 8) {
      servers_.kill(victim);
      servers_.kill(1 + victim % Servers::kServers);
    } else {
      for (uint64_t id = 1; id <= Servers::kServers; ++id) servers_.kill(id);
    }
    restart_all();
  }
  void restart_all() {
    for (uint64_t id = 1; id <= Servers::kServers; ++id) {
      if (!servers_.lives(id)) servers_.start(id);
    }
  }

  int check() {
    int wrong = 0;
    std::set<std::string> states;
    for (uint64_t id = 1; id <= Servers::kServers; ++id) {
      const std::string state = servers_.ask(id, "state");
      if (state.empty()) {
        std::printf("server %d can't be read\n", static_cast<int>(id));
        ++wrong;
      }
      states.insert(state);
    }
    if (states.size() != 1) {
      std::printf("the servers differ\n");
      ++wrong;
    }
    std::set<std::string> revisions;
    for (const auto& [key, revision] : acknowledged_) {
      const std::string expected = revision + " text" + key.substr(3);
      const std::string found = servers_.ask(1, "get " + key);
      if (found == expected && revisions.insert(revision).second) continue;
      std::printf("%s was acknowledged as %s, and is %s\n", key.c_str(), expected.c_str(),
                  found.c_str());
      ++wrong;
    }
    std::printf("%zu writes, %zu acknowledged, %d wrong\n", writes_, acknowledged_.size(), wrong);
    return wrong == 0 ? 0 : 1;
  }

  Servers servers_;
  std::minstd_rand random_;
  size_t writes_ = 0;
  std::map<std::string, std::string> acknowledged_;  // Key → revision.
};

}  // namespace
}  // namespace orch::replica

int main(int count, char** values) {
  int kills = 30;
  uint64_t seed = 1;
  for (int i = 2; i < count; ++i) {
    const std::string text = values[i];
    if (text.starts_with("--kills=")) kills = std::stoi(text.substr(8));
    if (text.starts_with("--seed=")) seed = std::stoull(text.substr(7));
  }
  if (count < 2) return 2;
  return orch::replica::Run(values[1], seed).run(kills);
}
