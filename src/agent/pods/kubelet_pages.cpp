// KubeletServer's pages: what a node tells of itself when it is asked, and the files below
// /var/log.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agent/pods/kubelet_request.h"
#include "agent/pods/kubelet_server.h"
#include "agent/pods/log_stream.h"
#include "agent/pods/metrics_text.h"
#include "agent/pods/node_object.h"
#include "base/files.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

using api::Value;

constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
constexpr const char* kLogs = "/logs/";

http::Response metrics_response(std::string text) {
  http::Response response = text_response(std::move(text));
  response.headers.set("Content-Type", kMetricsType);
  return response;
}

Value pod_list(std::vector<Value> pods) {
  Value items = Value::array();
  for (Value& pod : pods) items.push_back(std::move(pod));
  return Value::object({{"kind", "PodList"},
                        {"apiVersion", "v1"},
                        {"metadata", Value::object()},
                        {"items", std::move(items)}});
}

// The part of kubelet's configuration that means something here.
Value render_configz(const NodeFacts& facts, uint16_t port) {
  Value dns = Value::array();
  if (!facts.cluster_dns.empty()) dns.push_back(facts.cluster_dns);
  const Value no = Value::object({{"enabled", false}});
  return Value::object(
      {{"kubeletconfig",
        Value::object({{"enableServer", true},
                       {"port", int64_t{port}},
                       {"authentication", Value::object({{"anonymous", no}, {"webhook", no}})},
                       {"clusterDomain", facts.cluster_domain},
                       {"clusterDNS", std::move(dns)},
                       {"resolvConf", facts.resolv_conf_path},
                       {"maxPods", kMaxPods},
                       {"cgroupDriver", "cgroupfs"},
                       {"failSwapOn", false},
                       {"podLogsDir", facts.log_dir},
                       {"kind", "KubeletConfiguration"},
                       {"apiVersion", "kubelet.config.k8s.io/v1beta1"}})}});
}

std::string render_kubelet_metrics(const NodeFacts& facts, const std::vector<Value>& pods) {
  size_t running_pods = 0, running = 0;
  for (const Value& pod : pods) {
    const size_t containers = running_containers(pod).size();
    running += containers;
    running_pods += containers > 0 ? 1 : 0;
  }
  MetricsText page(std::nullopt);
  page.family("kubelet_node_name", "gauge", "The node's name, in the label; always 1.");
  page.sample(label("node", facts.node_name), 1);
  page.family("kubelet_running_pods", "gauge", "Pods of which a container runs.");
  page.sample("", static_cast<double>(running_pods));
  page.family("kubelet_running_containers", "gauge", "Containers, by state.");
  page.sample(label("container_state", "running"), static_cast<double>(running));
  return page.take();
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&#34;";
    else
      out += c;
  }
  return out;
}

http::Response folder_response(UniqueFd folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::fdopendir(folder.get()), ::closedir);
  if (open) static_cast<void>(folder.release());
  while (const dirent* entry = open ? ::readdir(open.get()) : nullptr) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    names.push_back(name + (entry->d_type == DT_DIR ? "/" : ""));
  }
  std::sort(names.begin(), names.end());
  std::string page = "<pre>\n";
  for (const std::string& name : names) {
    const bool is_folder = name.back() == '/';
    const std::string plain = is_folder ? name.substr(0, name.size() - 1) : name;
    page += "<a href=\"" + percent_encode(plain) + (is_folder ? "/" : "") + "\">" +
            escape_html(name) + "</a>\n";
  }
  http::Response response = text_response(page + "</pre>\n");
  response.headers.set("Content-Type", "text/html; charset=utf-8");
  return response;
}

}  // namespace

bool KubeletServer::handle_page(const std::shared_ptr<http::Exchange>& exchange,
                                const std::string& path) {
  if (path == "/healthz") {
    exchange->send(text_response("ok"));
  } else if (path == "/pods") {
    exchange->send(json_response(200, pod_list(pods_.list())));
  } else if (path == "/configz") {
    exchange->send(json_response(200, render_configz(pods_.facts(), port())));
  } else if (path == "/stats/summary") {
    exchange->send(json_response(200, render_stats_summary(usage())));
  } else if (path == "/metrics") {
    exchange->send(metrics_response(render_kubelet_metrics(pods_.facts(), pods_.list())));
  } else if (path == "/metrics/resource") {
    exchange->send(metrics_response(render_resource_metrics(usage())));
  } else if (path == "/metrics/cadvisor") {
    exchange->send(metrics_response(render_cadvisor_metrics(usage())));
  } else if (path.starts_with(kLogs)) {
    handle_node_log(exchange, path.substr(std::string_view(kLogs).size()));
  } else {
    return false;
  }
  return true;
}

// Links are followed as if the folder were the root of all.
void KubeletServer::handle_node_log(const std::shared_ptr<http::Exchange>& exchange,
                                    const std::string& rest) {
  const auto open = [&]() -> Result<UniqueFd> {
    const auto path = percent_decode(rest);
    if (!path || path->find('\0') != path->npos) return bad_request("malformed path");
    const UniqueFd root(::open(options_.node_log_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root) return not_found("the node has no " + options_.node_log_dir);
    // O_NONBLOCK: a pipe without a writer would hold us up.
    return open_in_root(root.get(), path->empty() ? "." : *path, O_RDONLY | O_NONBLOCK);
  };
  auto opened = open();
  struct stat facts {};
  const bool found = opened.ok() && ::fstat(opened->get(), &facts) == 0;
  if (found && S_ISDIR(facts.st_mode)) return exchange->send(folder_response(*std::move(opened)));
  if (!found || !S_ISREG(facts.st_mode)) {
    return exchange->send(status_response(not_found("the node has no log \"" + rest + "\"")));
  }
  if (exchange->request().method == "HEAD") return exchange->send(text_response(""));
  const auto file = std::make_shared<UniqueFd>(*std::move(opened));
  const bool taken = logs_.run(
      [exchange, file, size = facts.st_size] { send_log_file(*exchange, file->get(), size); });
  if (!taken) exchange->send(status_response(too_many_requests("too many log streams", 1)));
}

}  // namespace orch::pods
