#include "server/apiserver/reader.h"

#include "server/apiserver/continue_token.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/respond.h"
#include "server/apiserver/selection.h"

namespace orch::apiserver {
namespace {

constexpr std::string_view kListTooOld = "The resourceVersion for the provided list is too old.";
constexpr std::string_view kContinueTooOld =
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list.";

// Which past state a list is of; 0 = the present one.
int64_t wanted_revision(const ReadOptions& options) {
  if (!options.revision || *options.revision == 0) return 0;
  if (options.match == ReadOptions::Match::exact) return *options.revision;
  // Clients from before resourceVersionMatch page through one state like this.
  const bool legacy = options.match == ReadOptions::Match::unset && options.limit > 0;
  return legacy ? *options.revision : 0;
}

api::Value list_metadata(int64_t revision, const std::string& token, size_t remaining) {
  api::Value metadata = api::Value::object({{"resourceVersion", std::to_string(revision)}});
  if (!token.empty()) metadata.set("continue", token);
  if (remaining) metadata.set("remainingItemCount", static_cast<int64_t>(remaining));
  return metadata;
}

}  // namespace

Status revision_in_future(int64_t wanted, int64_t current) {
  const std::string text = "Too large resource version: " + std::to_string(wanted) +
                           ", current: " + std::to_string(current);
  Status status = gateway_timeout("Timeout: " + text);
  status.details.causes.push_back({"ResourceVersionTooLarge", "Too large resource version", ""});
  status.details.retry_after_s = 1;
  return status;
}

Result<http::Response> Reader::get(const Target& target, const ReadOptions& options,
                                   const Presentation& form) const {
  const api::Resource& resource = *target.resource;
  if (options.revision.value_or(0) > store_.revision()) {
    return revision_in_future(*options.revision, store_.revision());
  }
  const store::RecordPtr record = store_.get(store_key(resource, target.ns, target.name));
  if (!record) return not_found({resource.group, resource.plural, target.name});
  return present_response(200, resource, record, record->bytes, form, clock_.now());
}

Result<Reader::Page> Reader::read_page(const Target& target, const ReadOptions& options) const {
  const Selection selection = ORCH_TRY(Selection::make(
      *target.resource, target.ns, target.name, options.label_selector, options.field_selector));
  if (options.revision.value_or(0) > store_.revision()) {
    return revision_in_future(*options.revision, store_.revision());
  }
  ContinueToken from{wanted_revision(options), ""};
  const bool continued = !options.continue_token.empty();
  if (continued) from = ORCH_TRY(decode_continue(options.continue_token, selection.prefix()));
  if (from.revision == ContinueToken::kNewest) from.revision = 0;

  store::Query query{selection.prefix(), from.start_after, options.limit, from.revision};
  if (!selection.everything()) {
    query.keep = [&](const store::Record& record) { return selection.matches(record); };
    query.marks = selection.marks();
  }
  auto range = store_.range(query);
  if (!range) {
    if (!range.status().gone()) return std::move(range).status();
    if (!continued) return expired(std::string(kListTooOld));
    Page none;
    none.continue_token =
        encode_continue({ContinueToken::kNewest, from.start_after}, selection.prefix());
    return none;
  }

  Page page;
  page.revision = range->revision;
  page.records = std::move(range->records);
  page.remaining = range->remaining;
  if (range->more && !page.records.empty()) {
    page.continue_token =
        encode_continue({page.revision, std::string(page.records.back()->key)}, selection.prefix());
  }
  return page;
}

Result<std::vector<store::RecordPtr>> Reader::select(const Target& target,
                                                     const ReadOptions& options) const {
  Page page = ORCH_TRY(read_page(target, options));
  if (page.revision == 0) return expired(std::string(kContinueTooOld));
  return std::move(page.records);
}

Result<http::Response> Reader::list(const Target& target, const ReadOptions& options,
                                    const Presentation& form) const {
  const api::Resource& resource = *target.resource;
  const Page page = ORCH_TRY(read_page(target, options));
  if (page.revision == 0) {
    api::Value status = status_value(expired(std::string(kContinueTooOld)));
    status["metadata"].set("continue", page.continue_token);
    return present_value(410, status, form.media);
  }
  const api::Value metadata = list_metadata(page.revision, page.continue_token, page.remaining);
  return present_list(resource, metadata, page.records, form, clock_.now());
}

}  // namespace orch::apiserver
