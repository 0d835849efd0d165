#include "server/apiserver/handler.h"

#include "api/managed_fields.h"
#include "api/protobuf.h"
#include "api/resources.h"
#include "server/apiserver/body.h"
#include "server/apiserver/body_errors.h"
#include "server/apiserver/component_status.h"
#include "server/apiserver/documents.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/impersonate.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/openid.h"
#include "server/apiserver/request_words.h"
#include "server/apiserver/respond.h"
#include "server/apiserver/reviews.h"
#include "server/apiserver/scale.h"

namespace orch::apiserver {
namespace {

constexpr std::string_view kJoinPath = "/orch/v1/join";

void send(const std::shared_ptr<http::Exchange>& exchange, http::Response response) {
  compress(exchange->request(), &response);
  exchange->send(std::move(response));
}

bool is_stream(const Target& target) {
  const std::string_view part = target.subresource_name();
  return part == "log" || part == "exec" || part == "attach" || part == "portforward" ||
         part == "proxy";
}

// What the body of a write must be.
const std::string& object_kind(const Target& target) {
  return target.subresource ? target.subresource->kind : target.resource->kind;
}

}  // namespace

void Handler::handle(const ExchangePtr& inner) {
  const auto exchange =
      std::make_shared<AccountedExchange>(inner, parts_.metrics.requests, parts_.clock);
  answer(exchange, false);
}

void Handler::answer(const std::shared_ptr<AccountedExchange>& exchange, bool again) {
  const auto served = serve(exchange, again);
  if (!served) send(exchange, present_status(served.status(), exchange->request()));
}

// `again`: the second time, with what was learned of its token's issuer meanwhile.
Result<void> Handler::serve(const std::shared_ptr<AccountedExchange>& exchange, bool again) {
  const http::Request& request = exchange->request();
  auto target = route(parts_.schema, request.method, request.target);
  if (target) exchange->set_target(*target);
  if (target && target->path == kJoinPath) {
    ORCH_TRY(parts_.join.check_token(request));
    return serve_join(exchange);
  }
  if (target && ClusterRoutes::is_for_servers(target->path)) {
    return serve_servers(exchange, *target);
  }
  Result<User> asker = parts_.authenticator.authenticate(request);
  if (!asker && !again) {
    const auto later = [this, exchange] { answer(exchange, true); };
    if (parts_.authenticator.call_again(request, later)) return {};
  }
  ServerMetrics& metrics = parts_.metrics;
  ++(asker ? metrics.authenticated : metrics.not_authenticated);
  if (parts_.audit) {
    exchange->set_audit(AuditEntry::begin(*parts_.audit, request, target ? &*target : nullptr,
                                          asker ? &*asker : nullptr));
  }
  User user = ORCH_TRY(impersonated(ORCH_TRY(std::move(asker)), request, parts_.authorizer));
  AuditEntry* const audit = exchange->audit();
  if (audit && request.headers.has("Impersonate-User")) audit->set_impersonated(user);
  if (!target) {
    // Who may not come in isn't told what there is.
    const RequestWords words = words_of(request.method, request.target);
    const auto decision = parts_.authorizer.decide(user, words.action());
    if (audit) audit->set_decision(decision);
    ++(decision.allowed ? metrics.allowed : metrics.denied);
    if (decision.allowed) return std::move(target).status();
    return refused(user, words.action(), decision.reason);
  }
  const Action action = action_of(*target, request.method);
  if (!is_long_running(*target)) {
    exchange->set_place(
        ORCH_TRY(in_flight_.enter(is_mutating(request.method), lane_of(user, target->path))));
  }
  const auto decision = parts_.authorizer.decide(user, action);
  if (audit) audit->set_decision(decision);
  ++(decision.allowed ? metrics.allowed : metrics.denied);
  if (!decision.allowed) return refused(user, action, decision.reason);
  if (target->resource) return serve_resource(exchange, *target, std::move(user));
  if (target->path == cluster::kMembersPath) return parts_.servers.serve_members(exchange, user);
  send(exchange, ORCH_TRY(serve_path(request, *target)));
  return {};
}

Result<void> Handler::serve_join(const ExchangePtr& exchange) {
  const bool taken = parts_.slow.run([this, exchange] {
    auto joined = parts_.join.serve(exchange->request());
    send(exchange,
         joined ? *std::move(joined) : present_status(joined.status(), exchange->request()));
  });
  if (!taken) return service_unavailable("the server is shutting down or overloaded");
  return {};
}

Result<void> Handler::serve_servers(const std::shared_ptr<AccountedExchange>& exchange,
                                    const Target& target) {
  const http::Request& request = exchange->request();
  if (parts_.audit) {
    const User server = ClusterRoutes::server_user(request);
    exchange->set_audit(AuditEntry::begin(*parts_.audit, request, &target, &server));
  }
  if (target.path == cluster::kServersPath) {
    exchange->set_place(ORCH_TRY(in_flight_.enter(true, Lane::system)));
  }
  return parts_.servers.serve_servers(exchange, target.path);
}

Result<http::Response> Handler::serve_path(const http::Request& request,
                                           const Target& target) const {
  const bool reads = !is_mutating(request.method);
  if (reads && target.path == "/metrics") {
    auto page =
        text_response(200, render_metrics_page({parts_.metrics, in_flight_, parts_.store,
                                                parts_.schema, parts_.audit, parts_.more_metrics}));
    page.headers.set("Content-Type", kMetricsType);
    return page;
  }
  if (reads && is_health_path(target.path)) return serve_health(parts_.health, target);
  if (reads && is_openid_path(target.path)) {
    return serve_openid(target.path, parts_.tokens.issuer(), parts_.server_address,
                        parts_.token_keys);
  }
  if (target.path.starts_with("/openapi/")) {
    if (!reads) return method_not_allowed("the server does not allow this method here");
    return openapi_.serve(request, target);
  }
  return serve_document(parts_.schema, request, target, parts_.server_address);
}

Result<void> Handler::serve_resource(const std::shared_ptr<AccountedExchange>& exchange,
                                     const Target& target, User user) {
  if (is_stream(target)) return parts_.streams.serve(exchange, target);
  Presentation form;
  form.media = ORCH_TRY(negotiate(exchange->request().headers.get("Accept"),
                                  api::has_protobuf(*target.resource->type)));
  form.media.pretty = target.query.flag("pretty");
  if (!api::parse_include_object(target.query.get("includeObject"), &form.include)) {
    return bad_request("includeObject must be None, Metadata or Object");
  }
  if (target.resource->kind == "ComponentStatus") {
    send(exchange,
         ORCH_TRY(serve_component_status(target, form, parts_.components, parts_.clock.now())));
    return {};
  }
  if (target.resource->storage_prefix.empty() && target.resource->kind != "Binding") {
    return serve_review(exchange, target, user, form.media);
  }
  switch (target.verb) {
    case Verb::get:
    case Verb::list:
    case Verb::watch:
      return serve_read(exchange, target, form);
    default:
      return serve_write(exchange, target, std::move(user), form);
  }
}

void Handler::when_fresh(const ExchangePtr& exchange, std::function<Result<void>()> work) {
  parts_.fresh.when([exchange, work = std::move(work)](Result<void> caught_up) {
    const Result<void> served = caught_up ? work() : std::move(caught_up);
    if (!served) send(exchange, present_status(served.status(), exchange->request()));
  });
}

Result<void> Handler::serve_read(const ExchangePtr& exchange, const Target& target,
                                 const Presentation& form) {
  const ReadOptions options =
      ORCH_TRY(parse_read_options(target.query, target.verb == Verb::watch));
  if (parts_.fresh.alone() || !wants_newer(options, parts_.store.revision())) {
    return serve_read_now(exchange, target, options, form);
  }
  when_fresh(exchange, [this, exchange, target, options, form] {
    return serve_read_now(exchange, target, options, form);
  });
  return {};
}

Result<void> Handler::serve_read_now(const ExchangePtr& exchange, const Target& target,
                                     const ReadOptions& options, const Presentation& form) {
  if (target.verb == Verb::watch) return parts_.watches.serve(*exchange, target, options, form);
  if (target.verb == Verb::list) {
    send(exchange, ORCH_TRY(parts_.reader.list(target, options, form)));
    return {};
  }
  if (target.subresource_name() == "scale") {
    Presentation plain;
    const auto whole = ORCH_TRY(parts_.reader.get(target, options, plain));
    send(exchange, present_scale(200, scale_of(decode_stored(whole.body.flatten())), form));
    return {};
  }
  send(exchange, ORCH_TRY(parts_.reader.get(target, options, form)));
  return {};
}

Result<void> Handler::serve_review(const ExchangePtr& exchange, const Target& target,
                                   const User& user, const Media& media) {
  ParsedBody body = ORCH_TRY(parse_object(parts_.schema, exchange->request(), object_kind(target)));
  ORCH_TRY(check_kind(*target.resource, body.value));
  const api::Value answer = ORCH_TRY(answer_review(
      target, user, std::move(body.value), parts_.authenticator, parts_.authorizer, parts_.policy));
  send(exchange, present_value(201, answer, media));
  return {};
}

Result<WriteRequest> Handler::read_write_request(const http::Request& http, const Target& target,
                                                 User user) const {
  WriteRequest request;
  request.resource = &target.resource->stored();
  request.view = target.resource;
  request.subresource = target.subresource;
  request.verb = target.verb;
  request.ns = target.ns;
  request.name = target.name;
  request.user = std::move(user);
  if (target.verb == Verb::remove || target.verb == Verb::remove_collection) {
    ParsedBody body;
    if (!http.body.empty()) body = ORCH_TRY(parse_object(parts_.schema, http, "DeleteOptions"));
    request.deletion = ORCH_TRY(parse_delete_options(target.query, body.value));
    return request;
  }
  const char* const options_kind = target.verb == Verb::create   ? "CreateOptions"
                                   : target.verb == Verb::update ? "UpdateOptions"
                                                                 : "PatchOptions";
  request.options = ORCH_TRY(parse_write_options(target.query, options_kind));
  ParsedBody body;
  if (target.verb == Verb::patch) {
    ParsedPatch patch = ORCH_TRY(parse_patch(http));
    request.patch = patch.kind;
    body = std::move(patch.body);
    ORCH_TRY(check_apply_options(request.options, patch.kind == PatchKind::apply));
  } else {
    body = ORCH_TRY(parse_object(parts_.schema, http, object_kind(target)));
  }
  request.options.field_manager =
      api::manager_name(request.options.field_manager, http.headers.get("User-Agent"));
  request.body = std::move(body.value);
  request.duplicates = std::move(body.duplicates);
  if (target.resource->kind == "Binding") {
    // The old way to bind: POST bindings is POST pods/<name>/binding.
    request.resource = &api::resource::pods();
    request.view = nullptr;
    request.subresource = request.resource->find_subresource("binding");
    request.name = request.body.at("metadata.name").as_string();
  }
  return request;
}

http::Response Handler::present_scale(int code, const api::Value& scale,
                                      const Presentation& form) const {
  const auto bytes = std::make_shared<const std::string>(api::to_json(scale));
  return present_response(code, scale_resource(), bytes, *bytes, form, parts_.clock.now());
}

http::Response Handler::render(const Target& target, WriteReply reply,
                               const Presentation& form) const {
  http::Response response;
  if (reply.document) {
    const bool scale = target.subresource_name() == "scale";
    response = scale ? present_scale(reply.code, *reply.document, form)
                     : present_value(reply.code, *reply.document, form.media);
  } else if (reply.record) {
    const store::RecordPtr& record = reply.record;
    response = present_response(reply.code, *target.resource, record, record->bytes, form,
                                parts_.clock.now());
  } else {
    const auto bytes = std::make_shared<const std::string>(std::move(reply.bytes));
    response =
        present_response(reply.code, *target.resource, bytes, *bytes, form, parts_.clock.now());
  }
  for (const std::string& warning : reply.warnings) add_warning(&response, warning);
  return response;
}

Result<void> Handler::serve_write(const std::shared_ptr<AccountedExchange>& exchange,
                                  const Target& target, User user, const Presentation& form) {
  WriteRequest request = ORCH_TRY(read_write_request(exchange->request(), target, std::move(user)));
  if (request.verb == Verb::remove_collection) {
    return serve_remove_collection(exchange, request, target, form.media);
  }
  if (request.subresource_name() == "token") {
    when_fresh(exchange, [this, exchange, request, media = form.media]() -> Result<void> {
      send(exchange, present_value(201, ORCH_TRY(parts_.tokens.issue(request)), media));
      return {};
    });
    return {};
  }
  const auto notes = exchange->audit() ? std::make_shared<AuditNotes>() : nullptr;
  request.notes = notes;
  // Answered on the store's writer thread; compressing takes too long for that.
  parts_.registry.submit(
      std::move(request), [this, exchange, target, form, notes](Result<WriteReply> reply) {
        if (notes) {
          for (const auto& [name, text] : *notes) exchange->audit()->annotate(name, text);
        }
        auto response = reply ? render(target, *std::move(reply), form)
                              : present_status(reply.status(), exchange->request());
        if (is_to_be_compressed(exchange->request(), response)) {
          const auto job = [exchange, response] { orch::apiserver::send(exchange, response); };
          if (parts_.slow.run(job)) return;
        }
        exchange->send(std::move(response));
      });
  return {};
}

// One by one, as if each had been named: every object has its own finalizers and grace.
Result<void> Handler::serve_remove_collection(const ExchangePtr& exchange,
                                              const WriteRequest& request, const Target& target,
                                              const Media& media) {
  const ReadOptions options = ORCH_TRY(parse_read_options(target.query, false));
  const bool taken = parts_.slow.run([this, exchange, request, target, options, media] {
    const Result<void> removed = remove_collection(request, target, options);
    if (!removed) return send(exchange, present_status(removed.status(), exchange->request()));
    const api::Value done = api::Value::object({{"kind", "Status"},
                                                {"apiVersion", "v1"},
                                                {"metadata", api::Value::object()},
                                                {"status", "Success"}});
    send(exchange, present_value(200, done, media));
  });
  if (!taken) return service_unavailable("the server is shutting down or overloaded");
  return {};
}

Result<void> Handler::remove_collection(const WriteRequest& request, const Target& target,
                                        const ReadOptions& options) {
  ORCH_TRY(parts_.fresh.wait());
  for (const store::RecordPtr& record : ORCH_TRY(parts_.reader.select(target, options))) {
    WriteRequest one = request;
    one.verb = Verb::remove;
    one.name = key_parts(*request.resource, record->key).name;
    const auto removed = parts_.registry.run(std::move(one));
    if (!removed && !removed.status().not_found()) return removed.status();
  }
  return {};
}

}  // namespace orch::apiserver
