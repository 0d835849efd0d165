// stream_target: which container of a pod a log or exec means, and whether it can be had. PURE.
// Failures are 400 in the words that kubectl's users know.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"
#include "base/result.h"

namespace orch::apiserver {

// `wanted` "" = the pod's only container, or the one that its annotation names.
Result<std::string> choose_container(const api::Value& pod, std::string_view wanted);
// Whether there is anything to read: `previous` asks for the run before the current one.
Result<void> check_log_readable(const api::Value& pod, std::string_view container, bool previous);
// Whether a process can be started there.
Result<void> check_running(const api::Value& pod);
// "https://10.0.0.7:10250" of a Node. 503 when it tells no address or port.
Result<std::string> agent_url(const api::Value& node);

}  // namespace orch::apiserver
