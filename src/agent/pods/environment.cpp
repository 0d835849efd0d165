#include "agent/pods/environment.h"

#include <algorithm>

#include "agent/pods/pod_spec.h"
#include "api/quantity.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

std::map<std::string, std::string> as_map(const Environment& environment) {
  return {environment.begin(), environment.end()};
}

void put(Environment* environment, const std::string& name, std::string value) {
  for (auto& [known, old] : *environment) {
    if (known != name) continue;
    old = std::move(value);
    return;
  }
  environment->emplace_back(name, std::move(value));
}

std::string service_prefix(std::string_view name) {
  std::string prefix;
  for (const char c : name) {
    prefix += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  }
  return prefix;
}

// key='a' inside "metadata.labels['a']"; nothing when `path` is not of that form.
std::optional<std::string> subscript(std::string_view path, std::string_view map_path) {
  if (!path.starts_with(map_path)) return std::nullopt;
  path.remove_prefix(map_path.size());
  if (path.size() < 4 || !path.starts_with("['") || !path.ends_with("']")) return std::nullopt;
  return std::string(path.substr(2, path.size() - 4));
}

// Keys of ConfigMaps may be no names of variables; those are left out, as Kubernetes does.
bool is_variable_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
  });
}

std::string escaped_lines(const api::Value& map) {
  std::vector<std::pair<std::string, std::string>> sorted;
  for (const auto& [key, value] : map.members()) sorted.emplace_back(key, value.as_string());
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::string> lines;
  for (const auto& [key, value] : sorted) {
    std::string line = key + "=";
    api::append_json_string(&line, value);
    lines.push_back(std::move(line));
  }
  return join(lines, "\n");
}

Result<std::string> decoded_secret(const std::string& base64) {
  auto bytes = base64_decode(base64);
  if (!bytes) return bad_request("secret value is no base64");
  return std::move(*bytes);
}

// One value of a ConfigMap or Secret; nothing when an optional one is missing.
Result<std::optional<std::string>> key_value(
    const PodFacts& facts, const api::Value& selector, bool secret,
    const std::function<Result<api::Value>(const std::string&)>& lookup) {
  const auto& name = selector["name"].as_string();
  const auto& key = selector["key"].as_string();
  const bool optional = selector["optional"].as_bool();
  const auto object = lookup(name);
  if (!object.ok()) {
    if (optional && object.status().not_found()) return std::optional<std::string>{};
    return object.status();
  }
  if (const api::Value* value = (*object)["data"].find(key)) {
    if (!secret) return std::optional(value->as_string());
    return std::optional(ORCH_TRY(decoded_secret(value->as_string())));
  }
  if (optional) return std::optional<std::string>{};
  return bad_request("couldn't find key " + key + " in " + (secret ? "Secret " : "ConfigMap ") +
                     pod_namespace(facts.pod) + "/" + name);
}

Result<void> add_env_from(const api::Value& source, const EnvironmentSources& sources,
                          Environment* environment) {
  const bool secret = source.has("secretRef");
  const auto& reference = secret ? source["secretRef"] : source["configMapRef"];
  const auto& lookup = secret ? sources.secret : sources.config_map;
  const auto object = lookup(reference["name"].as_string());
  if (!object.ok()) {
    if (reference["optional"].as_bool() && object.status().not_found()) return {};
    return object.status();
  }
  for (const auto& [key, value] : (*object)["data"].members()) {
    const std::string name = source["prefix"].as_string() + key;
    if (!is_variable_name(name)) continue;
    put(environment, name,
        secret ? ORCH_TRY(decoded_secret(value.as_string())) : value.as_string());
  }
  return {};
}

Result<std::optional<std::string>> referenced_value(const PodFacts& facts,
                                                    const api::Value& container,
                                                    const api::Value& from,
                                                    const EnvironmentSources& sources) {
  if (const auto* field = from.find("fieldRef")) {
    return std::optional(ORCH_TRY(field_value(facts, (*field)["fieldPath"].as_string())));
  }
  if (const auto* field = from.find("resourceFieldRef")) {
    return std::optional(ORCH_TRY(resource_field_value(facts, container, *field)));
  }
  if (const auto* key = from.find("configMapKeyRef")) {
    return key_value(facts, *key, false, sources.config_map);
  }
  if (const auto* key = from.find("secretKeyRef")) {
    return key_value(facts, *key, true, sources.secret);
  }
  return std::optional<std::string>{};
}

}  // namespace

std::string expand(std::string_view text, const std::map<std::string, std::string>& variables) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
    } else if (text[i + 1] == '$') {
      out += '$';
      ++i;
    } else if (const size_t end = text.find(')', i); text[i + 1] == '(' && end != text.npos) {
      const auto found = variables.find(std::string(text.substr(i + 2, end - i - 2)));
      out +=
          found != variables.end() ? std::string_view(found->second) : text.substr(i, end - i + 1);
      i = end;
    } else {
      out += text[i];
    }
  }
  return out;
}

Environment service_environment(const std::vector<api::Value>& services) {
  Environment result;
  for (const auto& service : services) {
    const auto& ip = service["spec"]["clusterIP"].as_string();
    const auto& ports = service["spec"]["ports"].items();
    if (ip.empty() || ip == "None" || ports.empty()) continue;
    const std::string prefix = service_prefix(service["metadata"]["name"].as_string());
    const auto number = [](const api::Value& port) {
      return std::to_string(port["port"].as_int());
    };
    put(&result, prefix + "_SERVICE_HOST", ip);
    put(&result, prefix + "_SERVICE_PORT", number(ports[0]));
    for (const auto& port : ports) {
      if (port["name"].empty()) continue;
      put(&result, prefix + "_SERVICE_PORT_" + service_prefix(port["name"].as_string()),
          number(port));
    }
    for (size_t i = 0; i < ports.size(); ++i) {
      const auto& protocol_name = ports[i]["protocol"].as_string();
      const std::string protocol = protocol_name.empty() ? "tcp" : to_lower(protocol_name);
      const std::string url = protocol + "://" + ip + ":" + number(ports[i]);
      const std::string port_prefix =
          prefix + "_PORT_" + number(ports[i]) + "_" + service_prefix(protocol);
      if (i == 0) put(&result, prefix + "_PORT", url);
      put(&result, port_prefix, url);
      put(&result, port_prefix + "_PROTO", protocol);
      put(&result, port_prefix + "_PORT", number(ports[i]));
      put(&result, port_prefix + "_ADDR", ip);
    }
  }
  return result;
}

Result<std::string> field_value(const PodFacts& facts, std::string_view path) {
  const auto& metadata = facts.pod["metadata"];
  const auto& spec = facts.pod["spec"];
  if (path == "metadata.name") return metadata["name"].as_string();
  if (path == "metadata.namespace") return metadata["namespace"].as_string();
  if (path == "metadata.uid") return metadata["uid"].as_string();
  if (path == "metadata.labels") return escaped_lines(metadata["labels"]);
  if (path == "metadata.annotations") return escaped_lines(metadata["annotations"]);
  if (const auto key = subscript(path, "metadata.labels")) {
    return metadata["labels"][*key].as_string();
  }
  if (const auto key = subscript(path, "metadata.annotations")) {
    return metadata["annotations"][*key].as_string();
  }
  if (path == "spec.nodeName") return spec["nodeName"].as_string();
  if (path == "spec.serviceAccountName") return spec["serviceAccountName"].as_string();
  if (path == "status.podIP" || path == "status.podIPs") return facts.pod_ip;
  if (path == "status.hostIP" || path == "status.hostIPs") return facts.host_ip;
  return bad_request("unsupported fieldPath: " + std::string(path));
}

Result<std::string> resource_field_value(const PodFacts& facts, const api::Value& container,
                                         const api::Value& selector) {
  const api::Value* target = &container;
  if (const auto& named = selector["containerName"].as_string(); !named.empty()) {
    const auto found = find_container(facts.pod, named);
    if (!found) return bad_request("container " + named + " not found");
    target = found->spec;
  }
  const auto parts = split(selector["resource"].as_string(), '.');  // "limits", "cpu"
  if (parts.size() != 2 || (parts[0] != "limits" && parts[0] != "requests")) {
    return bad_request("unsupported container resource : " + selector["resource"].as_string());
  }
  const bool cpu = parts[1] == "cpu";
  int64_t amount = 0;
  if (const auto* text = (*target)["resources"][parts[0]].find(parts[1])) {
    const auto quantity = ORCH_TRY(api::Quantity::parse(text->as_string()));
    amount = cpu ? quantity.milli_value() : quantity.value();
  } else if (parts[0] == "limits") {
    // Without a limit a container may use what the node has.
    if (cpu) amount = facts.node_cpu_milli;
    if (parts[1] == "memory") amount = facts.node_memory_bytes;
  }
  int64_t divisor = 0;
  if (const auto& text = selector["divisor"].as_string(); !text.empty()) {
    const auto quantity = ORCH_TRY(api::Quantity::parse(text));
    divisor = cpu ? quantity.milli_value() : quantity.value();
  }
  if (divisor <= 0) divisor = cpu ? 1000 : 1;  // "0" means one whole unit.
  return std::to_string((amount + divisor - 1) / divisor);
}

Result<Environment> container_environment(const PodFacts& facts, const api::Value& container,
                                          const EnvironmentSources& sources) {
  Environment result;
  for (const auto& source : container["envFrom"].items()) {
    ORCH_TRY(add_env_from(source, sources, &result));
  }
  // Service variables can be referred to, but what the spec says goes before them.
  auto known = as_map(sources.services);
  for (const auto& [name, value] : result) known[name] = value;
  for (const auto& entry : container["env"].items()) {
    const auto& name = entry["name"].as_string();
    std::optional<std::string> value = expand(entry["value"].as_string(), known);
    if (const auto* from = entry.find("valueFrom")) {
      value = ORCH_TRY(referenced_value(facts, container, *from, sources));
    }
    if (!value) continue;
    known[name] = *value;
    put(&result, name, std::move(*value));
  }
  const auto own = as_map(result);
  for (const auto& [name, value] : sources.services) {
    if (!own.contains(name)) result.emplace_back(name, value);
  }
  return result;
}

Result<std::vector<std::string>> container_args(const api::Value& container,
                                                const std::vector<std::string>& entrypoint,
                                                const std::vector<std::string>& cmd,
                                                const Environment& environment) {
  const auto variables = as_map(environment);
  const auto expanded = [&](const api::Value& list) {
    std::vector<std::string> out;
    for (const auto& item : list.items()) out.push_back(expand(item.as_string(), variables));
    return out;
  };
  const auto command = expanded(container["command"]);
  auto args = expanded(container["args"]);
  if (args.empty() && command.empty()) args = cmd;
  auto result = command.empty() ? entrypoint : command;
  result.insert(result.end(), args.begin(), args.end());
  if (result.empty()) return bad_request("no command specified");
  return result;
}

}  // namespace orch::pods
