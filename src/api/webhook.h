// How the server reaches what others serve: the clientConfig of webhooks, for admission and for
// the conversion of custom resources alike. Pure.
#pragma once

#include <string>

#include "api/causes.h"
#include "api/json.h"

namespace orch::api {

// Exactly one of an https URL and a Service.
void validate_webhook_client(const Value& config, const std::string& path, Causes& causes);

}  // namespace orch::api
