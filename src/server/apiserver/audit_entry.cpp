#include "server/apiserver/audit_entry.h"

#include "api/protobuf.h"
#include "base/net_address.h"
#include "base/strings.h"
#include "http/gzip.h"
#include "server/apiserver/body.h"

namespace orch::apiserver {
namespace {

using api::Value;
using audit::Level;
using audit::Stage;

constexpr std::string_view kTruncated = "audit.k8s.io/truncated";
constexpr size_t kMaxUserAgentBytes = 1024;
constexpr size_t kMaxForwarded = 16;

Value user_value(const User& user) {
  Value value = Value::object();
  if (!user.name.empty()) value.set("username", user.name);
  if (!user.uid.empty()) value.set("uid", user.uid);
  for (const std::string& group : user.groups) value["groups"].push_back(group);
  for (const auto& [key, values] : user.extra) {
    Value list = Value::array();
    for (const std::string& one : values) list.push_back(one);
    value["extra"].set(key, std::move(list));
  }
  return value;
}

// What proxies say of themselves, then who really is at the other end.
Value source_ips(const http::Request& request) {
  Value ips = Value::array();
  for (const std::string_view part : split(request.headers.get("X-Forwarded-For"), ',')) {
    if (parse_ipv4(trim(part)) && ips.size() < kMaxForwarded) ips.push_back(trim(part));
  }
  const std::string& peer = request.peer.address;
  const std::string remote = peer.substr(0, peer.rfind(':'));
  if (ips.empty() || ips.items().back().as_string() != remote) ips.push_back(remote);
  return ips;
}

Value object_ref(const Target& target) {
  Value ref = Value::object({{"resource", target.resource->plural}});
  if (!target.ns.empty()) ref.set("namespace", target.ns);
  if (!target.name.empty()) ref.set("name", target.name);
  if (!target.resource->group.empty()) ref.set("apiGroup", target.resource->group);
  ref.set("apiVersion", target.resource->version);
  if (target.subresource) ref.set("subresource", target.subresource->name);
  return ref;
}

audit::Subject subject_of(const Action& action, const User* user) {
  audit::Subject subject;
  if (user) {
    subject.user = user->name;
    subject.groups = user->groups;
  }
  subject.verb = action.verb;
  subject.group = action.group;
  subject.resource = action.resource;
  subject.subresource = action.subresource;
  subject.ns = action.ns;
  subject.name = action.name;
  subject.path = action.path;
  return subject;
}

void drop_managed_fields(Value* object) {
  if (Value* metadata = object->find("metadata")) metadata->remove("managedFields");
  Value* const items = object->find("items");
  if (!items || !items->is_array()) return;
  for (Value& item : items->array_items()) drop_managed_fields(&item);
}

bool is_status(const Value& value) { return value["kind"].as_string() == "Status"; }

}  // namespace

std::unique_ptr<AuditEntry> AuditEntry::begin(Audit& audit, const http::Request& request,
                                              const Target* target, const User* user) {
  Target unknown;
  if (!target) unknown.path = request.target.substr(0, request.target.find('?'));
  const Action action = action_of(target ? *target : unknown, request.method);
  const audit::Verdict verdict = audit.policy.judge(subject_of(action, user));
  if (verdict.level == Level::none) return nullptr;
  std::unique_ptr<AuditEntry> entry(new AuditEntry(audit, verdict));
  entry->verb_ = action.verb;
  entry->describe(request, target, user);
  entry->write(Stage::request_received);
  return entry;
}

void AuditEntry::describe(const http::Request& request, const Target* target, const User* user) {
  const std::string_view given = request.headers.get("Audit-ID");
  const bool usable = !given.empty() && given.size() <= 64 &&
                      given.find_first_not_of("0123456789abcdefABCDEF-") == given.npos;
  id_ = usable ? std::string(given) : audit_.random.uuid();
  received_ = format_micro_time(audit_.clock.now());
  head_ = Value::object({{"kind", "Event"},
                         {"apiVersion", "audit.k8s.io/v1"},
                         {"level", audit::to_text(verdict_.level)},
                         {"auditID", id_},
                         {"stage", ""},
                         {"requestURI", request.target},
                         {"verb", verb_},
                         {"user", user ? user_value(*user) : Value::object()}});
  head_.set("sourceIPs", source_ips(request));
  const std::string_view agent = request.headers.get("User-Agent");
  if (!agent.empty()) head_.set("userAgent", agent.substr(0, kMaxUserAgentBytes));
  is_resource_ = target && target->resource;
  if (is_resource_) object_ref_ = object_ref(*target);
}

void AuditEntry::set_impersonated(const User& user) { impersonated_ = user_value(user); }

void AuditEntry::set_decision(const Authorizer::Decision& decision) {
  annotate("authorization.k8s.io/decision", decision.allowed ? "allow" : "forbid");
  annotate("authorization.k8s.io/reason", decision.reason);
}

void AuditEntry::annotate(std::string_view name, std::string value) {
  annotations_.set(name, std::move(value));
}

void AuditEntry::started(int code) {
  status_ = Value::object({{"metadata", Value::object()}, {"code", code}});
  write(Stage::response_started);
}

void AuditEntry::ended() { write(Stage::response_complete); }

void AuditEntry::completed(const http::Request& request, const http::Response& response) {
  if (is_resource_) take_request(request);
  take_response(response);
  write(Stage::response_complete);
}

// The object of a write tells its name, which the path of a create doesn't.
void AuditEntry::take_request(const http::Request& request) {
  if (request.body.empty()) return;
  Value body;
  if (request.method == "PATCH") {
    if (auto patch = parse_patch(request)) body = std::move(patch->body.value);
  } else if (auto parsed = parse_body(audit_.schema, request)) {
    body = std::move(parsed->value);
  }
  if (body.is_null()) return;
  if (request.method == "POST" || request.method == "PUT") {
    const Value& metadata = body["metadata"];
    for (const char* name : {"name", "namespace", "uid", "resourceVersion"}) {
      const std::string& text = metadata[name].as_string();
      if (!text.empty() && !object_ref_.has(name)) object_ref_.set(name, text);
    }
  }
  if (verdict_.level < Level::request) return;
  if (verdict_.omit_managed_fields && body.is_object()) drop_managed_fields(&body);
  request_object_ = std::move(body);
}

Value AuditEntry::parsed(const http::Response& response) const {
  if (response.body.size() > kMaxAuditEventBytes) return {};
  std::string text = response.body.flatten();
  if (response.headers.get("Content-Encoding") == "gzip") {
    text = http::gunzip(text, kMaxAuditEventBytes).value_or("");
  }
  const std::string_view type = response.headers.get("Content-Type");
  if (type.starts_with(api::kProtobufType)) {
    return api::decode_protobuf(audit_.schema, text).value_or({});
  }
  if (!type.starts_with("application/json")) return {};
  return api::parse_json(text).value_or({});
}

// An answer of every level has its code, and what a Status says beside it.
void AuditEntry::take_response(const http::Response& response) {
  status_ = Value::object({{"metadata", Value::object()}});
  const bool wants_object = verdict_.level == Level::request_response && is_resource_;
  if (wants_object || response.status >= 400 || verb_ == "delete") {
    Value body = parsed(response);
    if (is_status(body)) {
      for (const char* name : {"status", "message", "reason", "details"}) {
        if (const Value* part = body.find(name)) status_.set(name, *part);
      }
    }
    if (wants_object) {
      if (body.is_null() && response.body.size() > 0) annotate(kTruncated, "true");
      if (verdict_.omit_managed_fields && body.is_object()) drop_managed_fields(&body);
      response_object_ = std::move(body);
    }
  }
  status_.set("code", response.status);
}

void AuditEntry::write(Stage stage) {
  if (!verdict_.writes(stage)) return;
  Value event = head_;
  event.set("stage", audit::to_text(stage));
  const auto add = [&](const char* name, const Value& value) {
    if (!value.is_null() && !(value.is_object() && value.empty())) event.set(name, value);
  };
  add("impersonatedUser", impersonated_);
  add("objectRef", object_ref_);
  add("responseStatus", status_);
  const size_t objects_at = event.members().size();
  if (stage == Stage::response_complete) {
    add("requestObject", request_object_);
    add("responseObject", response_object_);
  }
  const bool has_objects = event.members().size() > objects_at;
  event.set("requestReceivedTimestamp", received_);
  event.set("stageTimestamp", format_micro_time(audit_.clock.now()));
  add("annotations", annotations_);
  std::string line = api::to_json(event);
  if (has_objects && line.size() > kMaxAuditEventBytes) {
    event.remove("requestObject");
    event.remove("responseObject");
    event["annotations"].set(kTruncated, "true");
    line = api::to_json(event);
  }
  audit_.log->write(std::move(line));
}

}  // namespace orch::apiserver
