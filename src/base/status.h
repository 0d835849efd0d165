// Status: why something failed, in the shape of Kubernetes' metav1.Status (code, reason, message,
// details, causes), so that an error born in any room can go to a client unchanged.
//
// A Status is always a failure; success is a Result without one (base/result.h). Makers are named
// after the reason that kubectl's users know. Kinds of failure: the caller's fault (4xx makers),
// the world's fault (unavailable, timeout, internal), our fault (ORCH_CHECK, never a Status).
// Follows: Kubernetes API conventions, "Response Status Kind".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace orch {

// One entry of status.details.causes. `reason` is a metav1.CauseType such as "FieldValueInvalid".
struct StatusCause {
  std::string reason;
  std::string message;
  std::string field;

  bool operator==(const StatusCause&) const = default;
};

// What the error is about: status.details. Empty strings are left out on the wire.
struct StatusDetails {
  std::string name;
  std::string group;
  std::string kind;  // For API errors this is the resource ("pods"), as Kubernetes does.
  std::string uid;
  std::vector<StatusCause> causes;
  int32_t retry_after_s = 0;

  bool operator==(const StatusDetails&) const = default;
};

struct Status {
  int code = 500;       // HTTP status code.
  std::string reason;   // metav1.StatusReason: "NotFound", "Conflict"; "" when Kubernetes has none.
  std::string message;  // For a person: what, where and, where known, what to do.
  StatusDetails details;

  bool is(std::string_view a_reason) const { return reason == a_reason; }
  bool not_found() const { return reason == "NotFound"; }
  bool conflict() const { return reason == "Conflict"; }
  bool already_exists() const { return reason == "AlreadyExists"; }
  bool gone() const { return code == 410; }

  // The same failure with "where: " in front of its message.
  Status in(std::string_view where) &&;

  bool operator==(const Status&) const = default;
};

// The caller's fault.
Status bad_request(std::string message);
Status unauthorized(std::string message = "Unauthorized");
Status forbidden(std::string message);
Status not_found(std::string message);
Status method_not_allowed(std::string message);
Status not_acceptable(std::string message);
Status already_exists(std::string message);
Status conflict(std::string message);
Status expired(std::string message);                 // 410, reason "Expired".
Status too_large(std::string message);               // 413, reason "RequestEntityTooLarge".
Status unsupported_media_type(std::string message);  // 415.
Status invalid(std::string message, std::vector<StatusCause> causes = {});  // 422.
Status too_many_requests(std::string message, int32_t retry_after_s);

// The same makers in the words that Kubernetes uses for a resource, with details filled in:
//   pods "web-1" not found · deployments.apps "web" already exists
//   Operation cannot be fulfilled on pods "web-1": the object has been modified; ...
struct ResourceName {
  std::string_view group;
  std::string_view resource;  // Plural, lower case.
  std::string_view name;
};
Status not_found(const ResourceName& what);
Status already_exists(const ResourceName& what);
Status conflict(const ResourceName& what, std::string_view why);
Status forbidden(const ResourceName& what, std::string_view why);
// `kind` is the Kind ("Pod"), as Kubernetes does for validation: Pod "x" is invalid: spec.y: ...
Status invalid(std::string_view group, std::string_view kind, std::string_view name,
               std::vector<StatusCause> causes);

// The world's fault.
Status internal_error(std::string message);
Status service_unavailable(std::string message);
Status gateway_timeout(std::string message);
// A failed system call: "open /etc/x: No such file or directory" (errno taken at the call).
Status system_error(std::string_view what, int error_number);

}  // namespace orch
