// pump: carries bytes between two upgraded connections, both ways, until either ends. A side that
// doesn't read stops the other side from being read, so that no more than a buffer is ever held. A
// pair on which nothing moves for `idle_ms` is cut off. Runs on the calling thread.
#pragma once

#include "http/http.h"

namespace orch::http {

inline constexpr int kPumpIdleMs = 4 * 60 * 60 * 1000;  // As Kubernetes' streams.

void run_pump(Duplex& a, Duplex& b, int idle_ms = kPumpIdleMs);

}  // namespace orch::http
