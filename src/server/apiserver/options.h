// options: the parameters of a request as values, checked in Kubernetes' words. PURE.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/result.h"
#include "server/apiserver/route.h"

namespace orch::apiserver {

// metav1.ListOptions, for list and watch both.
struct ReadOptions {
  enum class Match { unset, exact, not_older_than };

  std::string label_selector, field_selector;
  std::optional<int64_t> revision;  // resourceVersion; unset when it wasn't given.
  Match match = Match::unset;
  size_t limit = 0;
  std::string continue_token;
  bool bookmarks = false;                   // allowWatchBookmarks
  std::optional<bool> send_initial_events;  // Of a watch.
  std::optional<int64_t> timeout_s;
};
Result<ReadOptions> parse_read_options(const Query& query, bool watch);
// Whether what `known` is the latest revision of may be too old an answer.
bool wants_newer(const ReadOptions& options, int64_t known);

// metav1.CreateOptions, UpdateOptions and PatchOptions.
struct WriteOptions {
  enum class FieldValidation { ignore, warn, strict };

  bool dry_run = false;
  FieldValidation field_validation = FieldValidation::warn;
  std::string field_manager;  // Who is told to own what is written; "" = not given.
  bool force = false;         // Of an apply: takes over what others own.
};
// What only some kinds of writes may say is the caller's to check (check_apply_options).
// `kind`: whose options they are in errors, "CreateOptions" and the like.
Result<WriteOptions> parse_write_options(const Query& query, std::string_view kind);
// An apply must name its manager, nothing else may force.
Result<void> check_apply_options(const WriteOptions& options, bool apply);

// metav1.DeleteOptions.
struct DeleteOptions {
  bool dry_run = false;
  std::optional<int64_t> grace_s;
  std::string uid, resource_version;  // Preconditions, when not empty.
  std::string propagation;            // "Background", "Foreground", "Orphan"; "" = the default.
};
// What the body says goes before the query. `body` is null when there was none.
Result<DeleteOptions> parse_delete_options(const Query& query, const api::Value& body);

}  // namespace orch::apiserver
