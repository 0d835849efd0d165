// LiveEncryption: a server's Encryption, which takes another file of secrets up while it runs, so
// that `orch secrets-encrypt rotate-keys` needs no restart.
//
// Values that were sealed before lie in the database still. So another file is taken up only when
// it has every secret of the one before; without them it waits for a start, which says what it
// can't open. Then every value that a new secret is to seal is written once more, as it stands.
// What is left of that when the server ends, its next start does.
//
// For a server that alone writes what it keeps (Fresh::alone): others could not open what a secret
// that they don't have has sealed. The Cipher's part is thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "base/file_watch.h"
#include "server/apiserver/encryption.h"
#include "store/store.h"

namespace orch::apiserver {

class LiveEncryption final : public store::Cipher {
 public:
  // Reads the file, or makes it. Blocking.
  static Result<std::unique_ptr<LiveEncryption>> open(const std::string& path, const Clock& clock,
                                                      Random& random);
  ~LiveEncryption() override { stop(); }

  std::optional<std::string> seal(std::string_view key, std::string_view value) const override {
    return current()->seal(key, value);
  }
  Result<std::optional<std::string>> open(std::string_view key,
                                          std::string_view stored) const override {
    return current()->open(key, stored);
  }
  bool is_stale(std::string_view key, std::string_view stored) const override {
    return current()->is_stale(key, stored);
  }

  // Reads the file again. 400 for one that can't be taken up, 409 once the store is one of several
  // servers'; then all is as before. Blocking, while values are written.
  Result<void> take_up(store::Store& store);
  // Does so whenever the file is another one, on a thread of its own, until stop(). Once.
  Result<void> follow(store::Store& store);
  // Before the store is closed. Idempotent.
  void stop();

 private:
  using Shared = std::shared_ptr<const Encryption>;
  LiveEncryption(std::string path, Random& random, Shared first)
      : path_(std::move(path)), random_(random), current_(std::move(first)) {}
  Shared current() const;
  Result<size_t> seal_anew(const Encryption& before, const Encryption& after, store::Store& store);

  const std::string path_;
  Random& random_;
  mutable std::mutex mutex_;
  Shared current_;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<FileWatch> watch_;
};

}  // namespace orch::apiserver
