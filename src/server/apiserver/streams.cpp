#include "server/apiserver/streams.h"

#include "api/resources.h"
#include "base/strings.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/respond.h"
#include "server/apiserver/stream_target.h"

namespace orch::apiserver {
namespace {

constexpr int kConnectMs = 5'000;
constexpr int kAnswerMs = 30'000;

// With the pod's uid: a pod made anew under the same name meanwhile is not entered.
std::string upstream_path(std::string_view verb, const Target& target, const api::Value& pod,
                          std::string_view container) {
  std::string path = "/" + std::string(verb) + "/" + percent_encode(target.ns) + "/" +
                     percent_encode(target.name) + "/" +
                     percent_encode(pod.at("metadata.uid").as_string());
  if (!container.empty()) path += "/" + percent_encode(container);
  if (!target.raw_query.empty()) path += "?" + target.raw_query;
  return path;
}

http::Response dial_failed(const Status& why) {
  return status_response(internal_error("error dialing backend: " + why.message));
}

}  // namespace

Result<void> Streams::serve(const ExchangePtr& exchange, const Target& target) {
  const std::string_view part = target.subresource_name();
  if (part == "proxy") return serve_proxy(exchange, target);
  const api::Value pod = ORCH_TRY(object(api::resource::pods(), target.ns, target.name));
  std::string verb(part), container;
  if (part == "portforward") {
    ORCH_TRY(check_running(pod));
    verb = "portForward";
  } else {
    container = ORCH_TRY(choose_container(pod, target.query.get("container")));
    if (part == "log") {
      ORCH_TRY(check_log_readable(pod, container, target.query.flag("previous")));
      verb = "containerLogs";
    } else {
      ORCH_TRY(check_running(pod));
    }
  }
  http::Forward forward;
  forward.server = ORCH_TRY(agent_of(pod.at("spec.nodeName").as_string()));
  forward.exchange = exchange;
  forward.request =
      http::onward_request(exchange->request(), upstream_path(verb, target, pod, container));
  forward.fail = dial_failed;
  const bool upgrades = part != "log" || forward.request.headers.has("Upgrade");
  const bool taken = (upgrades ? dials_ : logs_).run(std::move(forward));
  if (!taken) return service_unavailable("the server is shutting down or overloaded");
  return {};
}

Result<api::Value> Streams::object(const api::Resource& resource, const std::string& ns,
                                   const std::string& name) const {
  const auto record = store_.get(store_key(resource, ns, name));
  if (!record) return not_found({resource.group, resource.plural, name});
  return decode_stored(record->bytes);
}

Result<http::ClientOptions> Streams::agent_of(const std::string& node) const {
  http::ClientOptions options;
  options.url = ORCH_TRY(agent_url(ORCH_TRY(object(api::resource::nodes(), "", node))));
  // A node tells its address itself; its certificate names the node that it is.
  options.server_name = node;
  options.ca = credentials_.ca;
  options.certificate = credentials_.certificate;
  options.private_key = credentials_.private_key;
  options.connect_timeout_ms = kConnectMs;
  options.response_timeout_ms = kAnswerMs;
  options.keep_alive = false;
  return options;
}

void Streams::stop() {
  logs_.stop();
  dials_.stop();
  proxied_.stop();
}

}  // namespace orch::apiserver
