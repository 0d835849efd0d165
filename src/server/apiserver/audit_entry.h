// AuditEntry: the audit events of one request, from its credentials to the last byte of its answer.
// There is one only where the policy wants one, so a server without a policy pays a null pointer.
// Follows: audit.k8s.io/v1 Event, as kube-apiserver fills it.
//
// Used by one thread at a time: the I/O thread, then whoever answers.
#pragma once

#include <memory>
#include <string>

#include "api/json.h"
#include "api/schema.h"
#include "base/clock.h"
#include "http/http.h"
#include "server/apiserver/authorize.h"
#include "server/apiserver/route.h"
#include "server/apiserver/user.h"
#include "server/audit/log.h"
#include "server/audit/policy.h"

namespace orch::apiserver {

// An event with more in it goes without its objects and says so.
inline constexpr size_t kMaxAuditEventBytes = 1u << 20;

// What all entries share. Null members: no audit.
struct Audit {
  audit::Policy policy;
  std::unique_ptr<audit::Log> log;
  Clock& clock;
  Random& random;
  const api::Schema& schema;
};

class AuditEntry {
 public:
  // Judges the request; null when the policy wants nothing of it. `target` is null for a path that
  // leads nowhere, `user` for credentials that were refused. Writes RequestReceived.
  static std::unique_ptr<AuditEntry> begin(Audit& audit, const http::Request& request,
                                           const Target* target, const User* user);

  const std::string& id() const { return id_; }
  void set_impersonated(const User& user);
  void set_decision(const Authorizer::Decision& decision);
  void annotate(std::string_view name, std::string value);

  // ResponseStarted, of an answer that goes on.
  void started(int code);
  // ResponseComplete. The request must still be as it was given to begin().
  void completed(const http::Request& request, const http::Response& response);
  // The same for one that was started().
  void ended();

 private:
  AuditEntry(Audit& audit, audit::Verdict verdict) : audit_(audit), verdict_(verdict) {}
  void describe(const http::Request& request, const Target* target, const User* user);
  void take_request(const http::Request& request);
  void take_response(const http::Response& response);
  api::Value parsed(const http::Response& response) const;
  void write(audit::Stage stage);

  Audit& audit_;
  const audit::Verdict verdict_;
  std::string id_, verb_, received_;
  bool is_resource_ = false;
  api::Value head_;  // What every stage repeats.
  api::Value object_ref_, impersonated_, status_, request_object_, response_object_;
  api::Value annotations_ = api::Value::object();
};

}  // namespace orch::apiserver
