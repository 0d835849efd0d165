// contacts: where servers are reached and what they are called, as they said it themselves. It
// outranks the addresses in the log's configuration, which can be changed only with a majority in
// reach: so a server whose address has changed tells the others, and all is well again.
//
// Whenever one server connects to another they tell each other all that they know. What a server
// said of itself bears a number that it raises with each change; the highest counts. So word comes
// around even to those whom a server could not reach, because they had moved too.
//
// Kept in one file, so that a server that starts knows it. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace orch::cluster {

// A name or an address as a server would have it: some printable ASCII.
bool is_plain(std::string_view text);

inline constexpr size_t kMaxContacts = 64;
inline constexpr size_t kMaxContactsBytes = 48u << 10;  // As text; it travels in a header.

struct Contact {
  uint64_t server = 0;
  std::string name;     // Its node's.
  std::string address;  // "10.0.0.1:6443"
  uint64_t edition = 0;
  bool operator==(const Contact&) const = default;
};

// One line of JSON. Reading it: 400 for what a server would not have written.
std::string render_contacts(std::span<const Contact> contacts);
Result<std::vector<Contact>> parse_contacts(std::string_view text);

class Contacts {
 public:
  // Reads the file where there is one.
  static Result<std::unique_ptr<Contacts>> open(const std::string& path);

  // What this server says of itself, under a higher number when it has changed.
  Result<void> announce(uint64_t self, const std::string& name, const std::string& address);
  // Takes what is newer than what is known; never of `self`, who knows best.
  Result<void> learn(std::span<const Contact> told);
  // Forgets all but these.
  Result<void> keep_only(std::span<const uint64_t> servers);

  std::optional<Contact> find(uint64_t server) const;
  std::vector<Contact> all() const;

 private:
  explicit Contacts(std::string path) : path_(std::move(path)) {}
  Result<void> save() const;  // With the lock held.

  const std::string path_;
  mutable std::mutex mutex_;
  uint64_t self_ = 0;
  std::vector<Contact> all_;
};

}  // namespace orch::cluster
