// ORCH_CHECK: the third kind of failure, "our fault". Always on, in every build: a broken
// invariant stops the process with the place and the expression, and the supervisor restarts it.
// Never used for input from outside (that is a Status) nor for the world's failures (a Status too).
#pragma once

namespace orch {

[[noreturn]] void check_failed(const char* file, int line, const char* expression);

}  // namespace orch

#define ORCH_CHECK(expression)                               \
  do {                                                       \
    if (!(expression)) [[unlikely]]                          \
      ::orch::check_failed(__FILE__, __LINE__, #expression); \
  } while (false)
