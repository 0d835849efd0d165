// Result<T>: a value or the Status that says why there is none. [[nodiscard]]; no exceptions.
//
//   Result<int> parse(std::string_view text);
//   Result<void> run() {
//     const int n = ORCH_TRY(parse("7"));   // Returns the Status to our caller on failure.
//     ORCH_TRY(write(n));                   // Result<void> works too.
//     return {};
//   }
#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/status.h"

namespace orch {

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  template <class U = T>
  requires(std::is_constructible_v<T, U&&> && !std::is_same_v<std::decay_t<U>, Result> &&
           !std::is_same_v<std::decay_t<U>, Status>) Result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    ORCH_CHECK(ok());
    return std::get<0>(state_);
  }
  const T& value() const& {
    ORCH_CHECK(ok());
    return std::get<0>(state_);
  }
  T&& value() && {
    ORCH_CHECK(ok());
    return std::get<0>(std::move(state_));
  }
  T value_or(T other) const& { return ok() ? value() : std::move(other); }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Status& status() const& {
    ORCH_CHECK(!ok());
    return std::get<1>(state_);
  }
  Status&& status() && {
    ORCH_CHECK(!ok());
    return std::get<1>(std::move(state_));
  }

 private:
  std::variant<T, Status> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Status status) : status_(std::move(status)) {}

  bool ok() const { return !status_.has_value(); }
  explicit operator bool() const { return ok(); }
  void value() const { ORCH_CHECK(ok()); }

  const Status& status() const& {
    ORCH_CHECK(!ok());
    return *status_;
  }
  Status&& status() && {
    ORCH_CHECK(!ok());
    return std::move(*status_);
  }

 private:
  std::optional<Status> status_;
};

}  // namespace orch

// The value of a Result expression, or an early return of its Status. Not for coroutines.
#define ORCH_TRY(expression)                      \
  ({                                              \
    auto orch_try_result = (expression);          \
    if (!orch_try_result.ok()) [[unlikely]]       \
      return std::move(orch_try_result).status(); \
    std::move(orch_try_result).value();           \
  })
