#include "base/status.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "base/check.h"

namespace orch {

void check_failed(const char* file, int line, const char* expression) {
  std::fprintf(stderr, "orch: internal invariant broken at %s:%d: %s\n", file, line, expression);
  std::abort();
}

namespace {

Status make(int code, std::string_view reason, std::string message) {
  return Status{code, std::string(reason), std::move(message), {}};
}

// "pods" or "deployments.apps": how Kubernetes names a resource in messages.
std::string qualified(std::string_view group, std::string_view resource) {
  std::string out(resource);
  if (!group.empty()) out.append(".").append(group);
  return out;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

Status about(Status status, const ResourceName& what) {
  status.details.name = what.name;
  status.details.group = what.group;
  status.details.kind = what.resource;
  return status;
}

}  // namespace

Status Status::in(std::string_view where) && {
  message = std::string(where) + ": " + message;
  return std::move(*this);
}

Status bad_request(std::string message) { return make(400, "BadRequest", std::move(message)); }
Status unauthorized(std::string message) { return make(401, "Unauthorized", std::move(message)); }
Status forbidden(std::string message) { return make(403, "Forbidden", std::move(message)); }
Status not_found(std::string message) { return make(404, "NotFound", std::move(message)); }
Status method_not_allowed(std::string message) {
  return make(405, "MethodNotAllowed", std::move(message));
}
Status not_acceptable(std::string message) {
  return make(406, "NotAcceptable", std::move(message));
}
Status already_exists(std::string message) {
  return make(409, "AlreadyExists", std::move(message));
}
Status conflict(std::string message) { return make(409, "Conflict", std::move(message)); }
Status expired(std::string message) { return make(410, "Expired", std::move(message)); }
Status too_large(std::string message) {
  return make(413, "RequestEntityTooLarge", std::move(message));
}
Status unsupported_media_type(std::string message) {
  return make(415, "UnsupportedMediaType", std::move(message));
}
Status invalid(std::string message, std::vector<StatusCause> causes) {
  Status status = make(422, "Invalid", std::move(message));
  status.details.causes = std::move(causes);
  return status;
}
Status too_many_requests(std::string message, int32_t retry_after_s) {
  Status status = make(429, "TooManyRequests", std::move(message));
  status.details.retry_after_s = retry_after_s;
  return status;
}

Status not_found(const ResourceName& what) {
  return about(
      not_found(qualified(what.group, what.resource) + " " + quoted(what.name) + " not found"),
      what);
}
Status already_exists(const ResourceName& what) {
  return about(already_exists(qualified(what.group, what.resource) + " " + quoted(what.name) +
                              " already exists"),
               what);
}
Status conflict(const ResourceName& what, std::string_view why) {
  return about(conflict("Operation cannot be fulfilled on " + qualified(what.group, what.resource) +
                        " " + quoted(what.name) + ": " + std::string(why)),
               what);
}
Status forbidden(const ResourceName& what, std::string_view why) {
  std::string message = qualified(what.group, what.resource);
  if (!what.name.empty()) message += " " + quoted(what.name);
  return about(forbidden(message + " is forbidden: " + std::string(why)), what);
}

Status invalid(std::string_view group, std::string_view kind, std::string_view name,
               std::vector<StatusCause> causes) {
  std::string joined;
  for (const StatusCause& cause : causes) {
    if (!joined.empty()) joined += ", ";
    joined += cause.field.empty() ? cause.message : cause.field + ": " + cause.message;
  }
  if (causes.size() > 1) joined = "[" + joined + "]";
  Status status = invalid(qualified(group, kind) + " " + quoted(name) + " is invalid: " + joined,
                          std::move(causes));
  status.details.name = name;
  status.details.group = group;
  status.details.kind = kind;
  return status;
}

Status internal_error(std::string message) {
  return make(500, "InternalError", std::move(message));
}
Status service_unavailable(std::string message) {
  return make(503, "ServiceUnavailable", std::move(message));
}
Status gateway_timeout(std::string message) { return make(504, "Timeout", std::move(message)); }

Status system_error(std::string_view what, int error_number) {
  return internal_error(std::string(what) + ": " + std::generic_category().message(error_number));
}

}  // namespace orch
