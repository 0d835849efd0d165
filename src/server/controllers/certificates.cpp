// See certificates.h. Workers of the LoopRunner call it; keys are CertificateSigningRequests.
#include "server/controllers/certificates.h"

#include "base/check.h"
#include "base/strings.h"
#include "server/controllers/certificate_rules.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;
using client::Requeue;

namespace {

constexpr std::string_view kGroup = "certificates.k8s.io";

const api::Resource& found(const api::Resource* resource) {
  ORCH_CHECK(resource != nullptr);
  return *resource;
}

const api::Resource& requests_of(const api::Schema& schema) {
  return found(schema.find(kGroup, "v1", "certificatesigningrequests"));
}

Result<std::string> pem_of(const Value& request) {
  auto pem = base64_decode(request["spec"]["request"].as_string());
  if (!pem) return bad_request("spec.request is no base64");
  return *std::move(pem);
}

void add_condition(std::string_view type, std::string_view reason, std::string_view message,
                   const std::string& now, Value* request) {
  Value& conditions = (*request)["status"]["conditions"];
  if (!conditions.is_array()) conditions = Value::array();
  conditions.push_back(Value::object({{"type", type},
                                      {"status", "True"},
                                      {"reason", reason},
                                      {"message", message},
                                      {"lastUpdateTime", now},
                                      {"lastTransitionTime", now}}));
}

}  // namespace

CertificateApprovalController::CertificateApprovalController(client::Api& api,
                                                             const client::Cache& cache,
                                                             const api::Schema& schema,
                                                             const Clock& clock)
    : api_(api),
      cache_(cache),
      requests_(requests_of(schema)),
      reviews_(found(schema.find("authorization.k8s.io", "v1", "subjectaccessreviews"))),
      clock_(clock) {}

std::vector<client::Watch> CertificateApprovalController::watches() {
  return {client::watch_own(requests_)};
}

Result<bool> CertificateApprovalController::may(const Value& request,
                                                std::string_view subresource) {
  const Value& spec = request["spec"];
  Value asked = Value::object(
      {{"user", spec["username"]},
       {"groups", spec["groups"]},
       {"uid", spec["uid"]},
       {"resourceAttributes", Value::object({{"group", kGroup},
                                             {"resource", "certificatesigningrequests"},
                                             {"verb", "create"},
                                             {"subresource", subresource}})}});
  if (!spec["extra"].is_null()) asked.set("extra", spec["extra"]);
  const Value review =
      ORCH_TRY(api_.create(reviews_, Value::object({{"apiVersion", "authorization.k8s.io/v1"},
                                                    {"kind", "SubjectAccessReview"},
                                                    {"spec", std::move(asked)}})));
  return review["status"]["allowed"].as_bool();
}

Result<Requeue> CertificateApprovalController::reconcile(const ObjectKey& key) {
  const auto request = cache_.get(requests_, key);
  if (!request || has_condition(*request, "Approved") || has_condition(*request, "Denied") ||
      (*request)["spec"]["signerName"].as_string() != kKubeletClientSigner) {
    return Requeue::never();
  }
  const auto info = crypto::csr_info(ORCH_TRY(pem_of(*request)));
  if (!info || !is_kubelet_client_request(*request, *info)) return Requeue::never();
  const bool own = info->common_name == (*request)["spec"]["username"].as_string();
  const char* why = "Auto approving kubelet client certificate after SubjectAccessReview.";
  if (own && ORCH_TRY(may(*request, "selfnodeclient"))) {
    why = "Auto approving self kubelet client certificate after SubjectAccessReview.";
  } else if (!ORCH_TRY(may(*request, "nodeclient"))) {
    return Requeue::never();  // Somebody else may approve it.
  }
  Value next = *request;
  add_condition("Approved", "AutoApproved", why, format_time(clock_.now()), &next);
  ORCH_TRY(api_.update(requests_, next, "approval"));
  return Requeue::never();
}

CertificateSigningController::CertificateSigningController(client::Api& api,
                                                           const client::Cache& cache,
                                                           const api::Schema& schema,
                                                           const Clock& clock, crypto::Identity ca)
    : api_(api), cache_(cache), requests_(requests_of(schema)), clock_(clock), ca_(std::move(ca)) {}

std::vector<client::Watch> CertificateSigningController::watches() {
  return {client::watch_own(requests_)};
}

Result<std::string> CertificateSigningController::sign(const Value& request) const {
  const std::string pem = ORCH_TRY(pem_of(request));
  const crypto::CsrInfo info = ORCH_TRY(crypto::csr_info(pem));
  const auto ca = ORCH_TRY(crypto::certificate_info(ca_.certificate));
  const auto spec = ORCH_TRY(plan_certificate(request, info, clock_.now(), ca.not_after));
  return crypto::sign_csr(ca_, pem, spec, clock_);
}

Result<Requeue> CertificateSigningController::reconcile(const ObjectKey& key) {
  const auto request = cache_.get(requests_, key);
  if (!request || !is_built_in_signer((*request)["spec"]["signerName"].as_string()) ||
      !has_condition(*request, "Approved") || has_condition(*request, "Denied") ||
      has_condition(*request, "Failed") || !(*request)["status"]["certificate"].empty()) {
    return Requeue::never();
  }
  Value next = *request;
  const auto certificate = sign(*request);
  if (certificate) {
    next["status"].set("certificate", base64_encode(*certificate));
  } else if (certificate.status().code >= 500) {
    return certificate.status();
  } else {
    add_condition("Failed", "SignerValidationFailure", certificate.status().message,
                  format_time(clock_.now()), &next);
  }
  ORCH_TRY(api_.update(requests_, next, "status"));
  return Requeue::never();
}

CertificateCleanupController::CertificateCleanupController(client::Api& api,
                                                           const client::Cache& cache,
                                                           const api::Schema& schema,
                                                           const Clock& clock)
    : api_(api), cache_(cache), requests_(requests_of(schema)), clock_(clock) {}

std::vector<client::Watch> CertificateCleanupController::watches() {
  return {client::watch_own(requests_)};
}

Result<Requeue> CertificateCleanupController::reconcile(const ObjectKey& key) {
  const auto request = cache_.get(requests_, key);
  if (!request) return Requeue::never();
  WallTime certificate_ends{};
  const auto pem = base64_decode((*request)["status"]["certificate"].as_string());
  if (pem && !pem->empty()) {
    const auto info = crypto::certificate_info(*pem);
    if (info) certificate_ends = info->not_after;
  }
  const WallTime now = clock_.now(), end = plan_end(*request, certificate_ends);
  if (end > now) {
    return Requeue::after(std::chrono::ceil<std::chrono::milliseconds>(end - now));
  }
  client::DeleteOptions only_this;
  only_this.uid = (*request)["metadata"]["uid"].as_string();
  const auto removed = api_.remove(requests_, key, only_this);
  if (!removed.ok() && !removed.status().not_found()) return removed.status();
  return Requeue::never();
}

}  // namespace orch::controllers
