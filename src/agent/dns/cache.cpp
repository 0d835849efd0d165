// The cache of upstream replies; see the header.
#include "agent/dns/cache.h"

#include <algorithm>

namespace orch::dns {
namespace {

std::string key_of(const Question& question, bool edns) {
  return lower_name(question.name) + "/" + std::to_string(static_cast<int>(question.type)) +
         (edns ? "e" : "");
}

void count_down(std::string& message, size_t at, uint32_t elapsed_s) {
  uint32_t ttl_s = 0;
  for (size_t i = 0; i < 4; ++i) ttl_s = ttl_s << 8 | static_cast<uint8_t>(message[at + i]);
  ttl_s -= std::min(ttl_s, elapsed_s);
  for (size_t i = 4; i-- > 0; ttl_s >>= 8) message[at + i] = static_cast<char>(ttl_s);
}

}  // namespace

std::optional<std::string> Cache::find(const Question& question, bool edns, MonoTime now) {
  const auto found = by_key_.find(key_of(question, edns));
  if (found == by_key_.end()) return std::nullopt;
  const auto entry = found->second;
  if (now >= entry->expires) {
    entries_.erase(entry);
    by_key_.erase(found);
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  std::string message = entry->message;
  const auto elapsed = std::chrono::duration_cast<std::chrono::seconds>(now - entry->stored);
  for (const uint16_t at : entry->ttl_offsets)
    count_down(message, at, static_cast<uint32_t>(elapsed.count()));
  return message;
}

void Cache::store(const Question& question, bool edns, const std::string& message,
                  const Relayed& relayed, MonoTime now) {
  const bool negative = relayed.rcode == Rcode::name_error;
  if ((relayed.rcode != Rcode::no_error && !negative) || relayed.truncated || relayed.ttl_s == 0 ||
      message.size() > kCacheEntryBytes)
    return;
  const uint32_t ttl_s = std::min(relayed.ttl_s, negative ? kNegativeCacheTtl_s : kCacheTtl_s);
  const std::string key = key_of(question, edns);
  if (const auto old = by_key_.find(key); old != by_key_.end()) {
    entries_.erase(old->second);
    by_key_.erase(old);
  }
  entries_.push_front({key, message, relayed.ttl_offsets, now, now + std::chrono::seconds(ttl_s)});
  by_key_[key] = entries_.begin();
  if (entries_.size() > kCacheEntries) {
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

}  // namespace orch::dns
