// BodyPipe: the RequestBody of a server's connection: from its I/O thread to the one that reads. No
// more than kBodyPipeBytes and a record wait in it: the connection is not read while it is full.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "http/http.h"
#include "http/loop.h"

namespace orch::http {

inline constexpr size_t kBodyPipeBytes = 512u << 10;
// So much of a long body comes with the request.
inline constexpr size_t kFirstBodyBytes = 128u << 10;

class BodyPipe : public RequestBody {
 public:
  BodyPipe(std::weak_ptr<Connection> connection, std::shared_ptr<Loop> loop,
           std::optional<uint64_t> length)
      : connection_(std::move(connection)), loop_(std::move(loop)), length_(length) {}

  std::optional<uint64_t> length() const override { return length_; }
  Result<std::string> read(int timeout_ms) override;

  // For the connection, on its I/O thread.
  void push(std::string bytes);
  void end();        // All of it has come.
  void break_off();  // The rest will not come. Nothing happens after end().
  bool full() const;

 private:
  enum class State { open, ended, broken };

  const std::weak_ptr<Connection> connection_;
  const std::shared_ptr<Loop> loop_;
  const std::optional<uint64_t> length_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  State state_ = State::open;
};

}  // namespace orch::http
