// certificate_rules: what the built-in signers sign, and as what. PURE.
//
//   kubernetes.io/kube-apiserver-client           clients of the API: "client auth"
//   kubernetes.io/kube-apiserver-client-kubelet   a node's own client certificate
//   kubernetes.io/kubelet-serving                 what a node serves its endpoint with
//
// kubernetes.io/legacy-unknown is never signed here. Everybody else's signers are their own.
// Follows: Kubernetes' "Certificates and Certificate Signing Requests", "Kubernetes signers".
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/pki.h"

namespace orch::controllers {

inline constexpr std::string_view kClientSigner = "kubernetes.io/kube-apiserver-client";
inline constexpr std::string_view kKubeletClientSigner =
    "kubernetes.io/kube-apiserver-client-kubelet";
inline constexpr std::string_view kKubeletServingSigner = "kubernetes.io/kubelet-serving";

bool is_built_in_signer(std::string_view name);

// "Approved", "Denied", "Failed" in a CertificateSigningRequest's status.
bool has_condition(const api::Value& request, std::string_view type);

// What `info`, decoded from the request, is certified as: at most a year, never beyond the CA. 400
// with the rule that the request breaks.
Result<crypto::CertificateSpec> plan_certificate(const api::Value& request,
                                                 const crypto::CsrInfo& info, WallTime now,
                                                 WallTime ca_ends);

// A node asks for its client certificate as the rules say it.
bool is_kubelet_client_request(const api::Value& request, const crypto::CsrInfo& info);

// When the request has served its turn and may go; `certificate_ends` is 0 without one.
WallTime plan_end(const api::Value& request, WallTime certificate_ends);

}  // namespace orch::controllers
