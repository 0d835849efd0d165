// pump: carries bytes between two upgraded connections, both ways, until either ends. A side that
// doesn't read stops the other side from being read. Runs on the calling thread.
#pragma once

#include "http/http.h"

namespace orch::apiserver {

void run_pump(http::Duplex& a, http::Duplex& b);

}  // namespace orch::apiserver
