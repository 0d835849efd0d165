// Clock and Random: the two things that pure code may not reach for. They come in through
// constructors, so that a test or a simulation decides what time it is.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

namespace orch {

using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;     // UTC; may jump.
using MonoTime = std::chrono::time_point<std::chrono::steady_clock>;  // For deadlines only.

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime now() const = 0;
  virtual MonoTime monotonic() const = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::byte> bytes) = 0;  // Thread-safe; fit for secrets.

  uint64_t next_u64();
  // Uniform in [0, bound); bound > 0.
  uint64_t below(uint64_t bound);
  // RFC 9562 version 4, lower case.
  std::string uuid();
  // `length` characters of the alphabet that Kubernetes uses for generated names.
  std::string name_suffix(int length = 5);
};

// The real ones: process-wide, thread-safe, never destroyed.
Clock& system_clock();
Random& system_random();

// A clock that stands still until told to move. Not thread-safe.
class FakeClock : public Clock {
 public:
  explicit FakeClock(WallTime start = WallTime{std::chrono::seconds{1'700'000'000}})
      : now_(start) {}
  WallTime now() const override { return now_; }
  MonoTime monotonic() const override { return mono_; }
  void advance(std::chrono::nanoseconds by) {
    now_ += by;
    mono_ += std::chrono::duration_cast<MonoTime::duration>(by);
  }

 private:
  WallTime now_;
  MonoTime mono_{};
};

// "2026-01-02T03:04:05Z", the form of metav1.Time.
std::string format_time(WallTime time);
// "2026-01-02T03:04:05.000006Z", the form of metav1.MicroTime.
std::string format_micro_time(WallTime time);
// "2026-01-02T03:04:05.123456789Z" (RFC 3339 with nanoseconds), as CRI logs use it.
std::string format_nano_time(WallTime time);
// RFC 3339 with any zone and fraction. False when `text` is none.
bool parse_time(std::string_view text, WallTime* out);

}  // namespace orch
