// Cache: upstream replies for as long as their TTLs say, at most kCacheEntries of them; the one not
// asked for longest goes first. Pure but for what it holds; one thread.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "agent/dns/wire.h"
#include "base/clock.h"

namespace orch::dns {

inline constexpr size_t kCacheEntries = 512;
inline constexpr size_t kCacheEntryBytes = 2048;     // Longer replies are not kept.
inline constexpr uint32_t kCacheTtl_s = 300;         // At most, whatever the reply says.
inline constexpr uint32_t kNegativeCacheTtl_s = 30;  // The same for names that don't exist.

class Cache {
 public:
  // The reply to `question` with its TTLs counted down.
  std::optional<std::string> find(const Question& question, bool edns, MonoTime now);

  // Keeps `message` when it may be kept; `relayed` is what parse_reply said of it.
  void store(const Question& question, bool edns, const std::string& message,
             const Relayed& relayed, MonoTime now);

  size_t size() const { return by_key_.size(); }

 private:
  struct Entry {
    std::string key;
    std::string message;
    std::vector<uint16_t> ttl_offsets;
    MonoTime stored, expires;
  };

  std::list<Entry> entries_;  // The last one used first.
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
};

}  // namespace orch::dns
