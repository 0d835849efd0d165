#include "agent/images/manifest.h"

#include <sys/utsname.h>

#include "agent/images/reference.h"
#include "api/json.h"

namespace orch::images {

namespace {

using api::Value;

std::vector<std::string> strings(const Value& list) {
  std::vector<std::string> out;
  for (const Value& item : list.items()) out.push_back(item.as_string());
  return out;
}

std::vector<std::string> names(const Value& object) {
  std::vector<std::string> out;
  for (const Value::Member& member : object.members()) out.push_back(member.name);
  return out;
}

Result<Descriptor> parse_descriptor(const Value& value) {
  Descriptor d{value["digest"].as_string(), value["size"].as_int(), value["mediaType"].as_string()};
  if (!valid_digest(d.digest) || d.size < 0)
    return bad_request("the image's manifest has a bad digest or size");
  return d;
}

}  // namespace

std::string machine_architecture() {
  utsname name{};
  ::uname(&name);
  const std::string_view machine = name.machine;
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  if (machine.starts_with("arm")) return "arm";
  return std::string(machine);
}

bool is_index(std::string_view json) {
  const auto document = api::parse_json(json, {kMaxManifestBytes, nullptr});
  return document && (*document)["manifests"].is_array();
}

Result<Descriptor> choose_platform(std::string_view index_json, std::string_view architecture) {
  const Value index = ORCH_TRY(api::parse_json(index_json, {kMaxManifestBytes, nullptr}));
  for (const Value& entry : index["manifests"].items()) {
    const Value& platform = entry["platform"];
    const bool unnamed = platform.is_null() && index["manifests"].size() == 1;
    if (unnamed || (platform["os"].as_string() == "linux" &&
                    platform["architecture"].as_string() == architecture))
      return parse_descriptor(entry);
  }
  return not_found("no match for platform in manifest: linux/" + std::string(architecture));
}

Result<Manifest> parse_manifest(std::string_view json) {
  const Value document = ORCH_TRY(api::parse_json(json, {kMaxManifestBytes, nullptr}));
  if (!document["config"].is_object() || !document["layers"].is_array())
    return bad_request("the manifest has no config or no layers (schema 1 images are not read)");
  Manifest manifest;
  manifest.config = ORCH_TRY(parse_descriptor(document["config"]));
  if (document["layers"].size() > kMaxLayers)
    return bad_request("the image has more than " + std::to_string(kMaxLayers) + " layers");
  for (const Value& layer : document["layers"].items())
    manifest.layers.push_back(ORCH_TRY(parse_descriptor(layer)));
  return manifest;
}

Result<ImageConfig> parse_config(std::string_view json) {
  const Value document = ORCH_TRY(api::parse_json(json, {kMaxManifestBytes, nullptr}));
  const Value& config = document["config"];
  ImageConfig out;
  out.entrypoint = strings(config["Entrypoint"]);
  out.cmd = strings(config["Cmd"]);
  out.env = strings(config["Env"]);
  out.user = config["User"].as_string();
  out.working_dir = config["WorkingDir"].as_string();
  out.stop_signal = config["StopSignal"].as_string();
  out.exposed_ports = names(config["ExposedPorts"]);
  out.volumes = names(config["Volumes"]);
  for (const Value::Member& label : config["Labels"].members())
    out.labels[label.name] = label.value.as_string();
  return out;
}

}  // namespace orch::images
