// ConnectTries: when another server may be tried again that could not be reached. libraft by itself
// goes on trying every server that it ever sent something to.
//
// A member is left alone for twice as long each time, up to kMaxMs; who is no member, until it
// is one or shows up. Whoever shows up (it opened a stream to us, its address is another one) may
// be tried at once.
//
// Pure: time comes in as the milliseconds of whichever clock the caller has.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>

namespace orch::store {

class ConnectTries {
 public:
  static constexpr uint64_t kMinMs = 250, kMaxMs = 2000;

  // From when on it may be tried; nothing: not as things are.
  std::optional<uint64_t> next(uint64_t server, bool is_member) const {
    const auto failed = failed_.find(server);
    if (failed == failed_.end()) return 0;
    return is_member ? std::optional(failed->second.again_at) : std::nullopt;
  }
  void failed(uint64_t server, uint64_t now_ms) {
    Failed& failed = failed_[server];
    failed.back_off_ms = std::clamp(failed.back_off_ms * 2, kMinMs, kMaxMs);
    failed.again_at = now_ms + failed.back_off_ms;
  }
  // It was reached, or it showed up.
  void forget(uint64_t server) { failed_.erase(server); }

 private:
  struct Failed {
    uint64_t back_off_ms = 0, again_at = 0;
  };
  std::map<uint64_t, Failed> failed_;
};

}  // namespace orch::store
