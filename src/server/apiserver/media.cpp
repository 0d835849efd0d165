#include "server/apiserver/media.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "api/protobuf.h"
#include "base/strings.h"

namespace orch::apiserver {
namespace {

constexpr size_t kMaxRanges = 64;

struct Range {
  std::string type;  // "application/json"
  std::string as, group, version;
  double quality = 1;
};

Range parse_range(std::string_view text) {
  Range range;
  bool first = true;
  for (const std::string_view raw : split(text, ';')) {
    const std::string_view part = trim(raw);
    if (first) {
      range.type = to_lower(part);
      first = false;
      continue;
    }
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string name = to_lower(trim(part.substr(0, equals)));
    const std::string_view value = trim(part.substr(equals + 1));
    if (name == "as") range.as = value;
    if (name == "g") range.group = value;
    if (name == "v") range.version = value;
    if (name == "q") range.quality = parse_double(value).value_or(0);
  }
  return range;
}

std::optional<Media> served(const Range& range, bool has_protobuf) {
  Media media;
  if (range.type == "application/yaml") {
    media.encoding = Media::Encoding::yaml;
  } else if (range.type == api::kProtobufType && has_protobuf && range.as != "Table") {
    media.encoding = Media::Encoding::protobuf;
  } else if (range.type != "application/json" && range.type != "application/*" &&
             range.type != "*/*") {
    return std::nullopt;
  }
  if (range.as.empty()) return media;
  if (range.group != "meta.k8s.io") return std::nullopt;
  if (range.version != "v1" && range.version != "v1beta1") return std::nullopt;
  media.api_version = "meta.k8s.io/" + range.version;
  if (range.as == "Table") {
    media.form = Media::Form::table;
  } else if (range.as == "PartialObjectMetadata" || range.as == "PartialObjectMetadataList") {
    media.form = Media::Form::partial;
  } else {
    return std::nullopt;
  }
  return media;
}

}  // namespace

std::string Media::content_type() const {
  switch (encoding) {
    case Encoding::yaml:
      return "application/yaml";
    case Encoding::protobuf:
      return std::string(api::kProtobufType);
    case Encoding::json:
      break;
  }
  return "application/json";
}

Result<Media> negotiate(std::string_view accept, bool has_protobuf) {
  if (trim(accept).empty()) return Media{};
  std::vector<Range> ranges;
  for (const std::string_view part : split(accept, ',')) {
    if (ranges.size() == kMaxRanges) break;
    if (!trim(part).empty()) ranges.push_back(parse_range(trim(part)));
  }
  std::stable_sort(ranges.begin(), ranges.end(),
                   [](const Range& a, const Range& b) { return a.quality > b.quality; });
  for (const Range& range : ranges) {
    if (range.quality <= 0) continue;
    if (auto media = served(range, has_protobuf)) return std::move(*media);
  }
  std::string types = "application/json, application/yaml";
  if (has_protobuf) types += ", " + std::string(api::kProtobufType);
  return not_acceptable("only the following media types are accepted: " + types);
}

}  // namespace orch::apiserver
