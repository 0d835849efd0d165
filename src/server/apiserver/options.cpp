// Errors are those of kube-apiserver's own option validation: 400 for what can't be read, 422 with
// kind ListOptions.meta.k8s.io (and the like) for what makes no sense.
#include "server/apiserver/options.h"

#include "api/managed_fields.h"
#include "base/strings.h"

namespace orch::apiserver {
namespace {

constexpr std::string_view kGroup = "meta.k8s.io";
constexpr std::string_view kNeedsMatch =
    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";

StatusCause cause(std::string_view reason, std::string_view text, std::string_view field,
                  std::string_view detail) {
  return {std::string(reason), std::string(text) + ": " + std::string(detail), std::string(field)};
}

Status bad_list(std::string_view field, std::string_view detail) {
  return invalid(kGroup, "ListOptions", "",
                 {cause("FieldValueForbidden", "Forbidden", field, detail)});
}

Result<std::optional<int64_t>> number(const Query& query, std::string_view name) {
  const std::string_view text = query.get(name);
  if (text.empty()) return std::optional<int64_t>();
  const auto value = parse_int(text);
  if (value) return std::optional<int64_t>(*value);
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  const bool too_big = !digits.empty() && digits.find_first_not_of("0123456789") == digits.npos;
  return bad_request("strconv.ParseInt: parsing \"" + std::string(text) +
                     "\": " + (too_big ? "value out of range" : "invalid syntax"));
}

Result<ReadOptions::Match> parse_match(std::string_view text) {
  if (text.empty()) return ReadOptions::Match::unset;
  if (text == "Exact") return ReadOptions::Match::exact;
  if (text == "NotOlderThan") return ReadOptions::Match::not_older_than;
  return invalid(kGroup, "ListOptions", "",
                 {cause("FieldValueNotSupported", "Unsupported value", "resourceVersionMatch",
                        "\"" + std::string(text) +
                            "\": supported values: \"Exact\", \"NotOlderThan\", \"\"")});
}

Result<void> check_list(const ReadOptions& options) {
  using Match = ReadOptions::Match;
  if (options.send_initial_events) {
    return bad_list("sendInitialEvents", "sendInitialEvents is forbidden for list");
  }
  if (options.match == Match::unset) return {};
  if (!options.revision) {
    return bad_list("resourceVersionMatch",
                    "resourceVersionMatch is forbidden unless resourceVersion is provided");
  }
  if (!options.continue_token.empty()) {
    return bad_list("resourceVersionMatch",
                    "resourceVersionMatch is forbidden when continue is provided");
  }
  if (options.match == Match::exact && *options.revision == 0) {
    return bad_list("resourceVersionMatch",
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
  }
  return {};
}

Result<void> check_watch(const ReadOptions& options) {
  using Match = ReadOptions::Match;
  if (options.send_initial_events && options.match == Match::exact) {
    return invalid(kGroup, "ListOptions", "",
                   {cause("FieldValueForbidden", "Forbidden", "resourceVersionMatch", kNeedsMatch),
                    cause("FieldValueNotSupported", "Unsupported value", "resourceVersionMatch",
                          "\"Exact\": supported values: \"NotOlderThan\"")});
  }
  if (options.send_initial_events && options.match != Match::not_older_than) {
    return bad_list("resourceVersionMatch", kNeedsMatch);
  }
  if (!options.send_initial_events && options.match != Match::unset) {
    return bad_list(
        "resourceVersionMatch",
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
  }
  return {};
}

// []string{"a", "b"}
std::string go_list(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "\"" : ", \"") + word + "\"";
  return "[]string{" + text + "}";
}

// dryRun is a list whose only word is "All".
Result<bool> parse_dry_run(const std::vector<std::string>& words, std::string_view kind) {
  for (const std::string& word : words) {
    if (word == "All") continue;
    return invalid(kGroup, kind, "",
                   {cause("FieldValueNotSupported", "Unsupported value", "dryRun",
                          go_list(words) + ": supported values: \"All\"")});
  }
  return !words.empty();
}

Result<void> read_delete_body(const api::Value& body, DeleteOptions* options) {
  if (body.is_null()) return {};
  if (!body.is_object()) return bad_request("the body of a DELETE must be a DeleteOptions object");
  const std::string& kind = body["kind"].as_string();
  if (!kind.empty() && kind != "DeleteOptions") {
    return bad_request("decoded object cannot be converted to DeleteOptions: it is a " + kind);
  }
  if (const api::Value* grace = body.find("gracePeriodSeconds"); grace && !grace->is_null()) {
    if (!grace->is_int()) return bad_request("gracePeriodSeconds must be an integer");
    options->grace_s = grace->as_int();
  }
  options->uid = body.at("preconditions.uid").as_string();
  options->resource_version = body.at("preconditions.resourceVersion").as_string();
  if (const api::Value* policy = body.find("propagationPolicy")) {
    options->propagation = policy->as_string();
  }
  if (const api::Value* orphan = body.find("orphanDependents"); orphan && orphan->is_bool()) {
    if (!options->propagation.empty())
      return invalid(
          kGroup, "DeleteOptions", "",
          {cause("FieldValueInvalid", "Invalid value", "propagationPolicy",
                 "\"" + options->propagation +
                     "\": orphanDependents and deletionPropagation cannot be both set")});
    options->propagation = orphan->as_bool() ? "Orphan" : "Background";
  }
  std::vector<std::string> words;
  for (const api::Value& word : body["dryRun"].items()) words.push_back(word.as_string());
  if (ORCH_TRY(parse_dry_run(words, "DeleteOptions"))) options->dry_run = true;
  return {};
}

}  // namespace

Result<ReadOptions> parse_read_options(const Query& query, bool watch) {
  ReadOptions options;
  options.label_selector = query.get("labelSelector");
  options.field_selector = query.get("fieldSelector");
  options.continue_token = query.get("continue");
  options.bookmarks = query.flag("allowWatchBookmarks");
  options.match = ORCH_TRY(parse_match(query.get("resourceVersionMatch")));
  if (query.has("sendInitialEvents")) options.send_initial_events = query.flag("sendInitialEvents");
  if (const std::string_view text = query.get("resourceVersion"); !text.empty()) {
    const auto revision = parse_int(text);
    if (!revision || *revision < 0) {
      return invalid(kGroup, "ListOptions", "",
                     {cause("FieldValueInvalid", "Invalid value", "resourceVersion",
                            "\"" + std::string(text) + "\": must be a non-negative integer")});
    }
    options.revision = *revision;
  }
  const int64_t limit = ORCH_TRY(number(query, "limit")).value_or(0);
  options.limit = limit > 0 ? static_cast<size_t>(limit) : 0;
  options.timeout_s = ORCH_TRY(number(query, "timeoutSeconds"));
  ORCH_TRY(watch ? check_watch(options) : check_list(options));
  if (!watch && !options.continue_token.empty() && options.revision.value_or(0) != 0) {
    return bad_request("specifying resource version is not allowed when using continue");
  }
  return options;
}

bool wants_newer(const ReadOptions& options, int64_t known) {
  // A page goes on with the state that its token names.
  if (!options.continue_token.empty()) return false;
  return !options.revision || *options.revision > known;
}

Result<WriteOptions> parse_write_options(const Query& query, std::string_view kind) {
  WriteOptions options;
  options.dry_run = ORCH_TRY(parse_dry_run(query.all("dryRun"), kind));
  const std::string_view validation = query.get("fieldValidation");
  using FieldValidation = WriteOptions::FieldValidation;
  if (validation == "Strict") {
    options.field_validation = FieldValidation::strict;
  } else if (validation == "Ignore") {
    options.field_validation = FieldValidation::ignore;
  } else if (!validation.empty() && validation != "Warn") {
    return invalid(kGroup, kind, "",
                   {cause("FieldValueNotSupported", "Unsupported value", "fieldValidation",
                          "\"" + std::string(validation) +
                              "\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"")});
  }
  options.field_manager = query.get("fieldManager");
  options.force = query.flag("force");
  if (options.field_manager.size() > api::kMaxManagerBytes) {
    return invalid(
        kGroup, kind, "",
        {cause("FieldValueTooLong", "Too long", "fieldManager",
               "may not be more than " + std::to_string(api::kMaxManagerBytes) + " bytes")});
  }
  for (const unsigned char c : options.field_manager) {
    if (c >= 0x20 && c != 0x7f) continue;
    return invalid(kGroup, kind, "",
                   {cause("FieldValueInvalid", "Invalid value", "fieldManager",
                          api::to_json(api::Value(options.field_manager)) +
                              ": should only contain printable characters")});
  }
  return options;
}

Result<void> check_apply_options(const WriteOptions& options, bool apply) {
  if (apply && options.field_manager.empty()) {
    return invalid(kGroup, "PatchOptions", "",
                   {cause("FieldValueRequired", "Required value", "fieldManager",
                          "is required for apply patch")});
  }
  if (!apply && options.force) {
    return invalid(kGroup, "PatchOptions", "",
                   {cause("FieldValueForbidden", "Forbidden", "force",
                          "may not be specified for non-apply patch")});
  }
  return {};
}

Result<DeleteOptions> parse_delete_options(const Query& query, const api::Value& body) {
  DeleteOptions options;
  options.grace_s = ORCH_TRY(number(query, "gracePeriodSeconds"));
  options.propagation = query.get("propagationPolicy");
  options.dry_run = ORCH_TRY(parse_dry_run(query.all("dryRun"), "DeleteOptions"));
  ORCH_TRY(read_delete_body(body, &options));
  if (options.grace_s.value_or(0) < 0) {
    return invalid(
        kGroup, "DeleteOptions", "",
        {cause("FieldValueInvalid", "Invalid value", "gracePeriodSeconds",
               std::to_string(*options.grace_s) + ": must be greater than or equal to 0")});
  }
  const std::string& policy = options.propagation;
  if (!policy.empty() && policy != "Background" && policy != "Foreground" && policy != "Orphan") {
    return invalid(kGroup, "DeleteOptions", "",
                   {cause("FieldValueNotSupported", "Unsupported value", "propagationPolicy",
                          "\"" + policy +
                              "\": supported values: \"Foreground\", \"Background\", \"Orphan\", "
                              "\"nil\"")});
  }
  return options;
}

}  // namespace orch::apiserver
