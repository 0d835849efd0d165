#include "server/snapshots/snapshots.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/fd.h"
#include "base/files.h"
#include "base/strings.h"
#include "store/snapshot.h"
#include "store/table.h"

namespace orch::snapshots {

namespace {

namespace fs = std::filesystem;

constexpr const char* kSuffix = ".tar.gz";
constexpr size_t kMaxKeyFileBytes = 1u << 20;
constexpr size_t kMaxNameBytes = 63;
// What the store keeps for itself; its contents come by a copy of the database.
constexpr const char* kStoreFolder = "db";
// Whose part of a cluster of several servers this one is; what is restored is a single one.
constexpr const char* kMemberFolder = "member";
constexpr const char* kDatabase = "db/orch.db";

std::string server_dir(const Place& place) { return place.data_dir + "/server"; }

Result<void> sync_folder(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return system_error("sync " + path, errno);
  return {};
}

Result<void> rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return system_error("rename " + from + " to " + to, errno);
  }
  return {};
}

// "20260102T030405.678Z": sorts by time, fits every file system.
std::string stamp(WallTime time) {
  std::string text = format_micro_time(time);  // 2026-01-02T03:04:05.678901Z
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text.substr(0, 19) + "Z";
}

bool parse_stamp(std::string_view text, WallTime* time) {
  if (text.size() != 20 || text[8] != 'T') return false;
  std::string full(text);
  for (const size_t at : {13, 11}) full.insert(at, ":");
  for (const size_t at : {6, 4}) full.insert(at, "-");
  return parse_time(full, time);
}

Result<void> check_name(const std::string& name) {
  const bool good =
      !name.empty() && name.size() <= kMaxNameBytes && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
      });
  if (good && name.front() != '-') return {};
  return bad_request("the snapshot's name \"" + name +
                     "\" must be of a-z, 0-9 and -, and has at most " +
                     std::to_string(kMaxNameBytes) + " bytes");
}

// Keys, certificates, tokens: whatever lies beside the store, so that none is ever forgotten. A
// file that goes meanwhile was on its way to another name.
Result<void> copy_keys(const std::string& from, const std::string& to) {
  size_t count = 0;
  std::error_code error;
  auto entry = fs::recursive_directory_iterator(from, error);
  for (; !error && entry != fs::end(entry); entry.increment(error)) {
    const auto name = entry->path().filename();
    if (entry.depth() == 0 && (name == kStoreFolder || name == kMemberFolder)) {
      entry.disable_recursion_pending();
    }
    std::error_code gone;
    if (entry->is_symlink(gone) || !entry->is_regular_file(gone)) continue;
    const auto content = read_file(entry->path(), kMaxKeyFileBytes);
    if (!content && content.status().not_found()) continue;
    if (++count > kMaxFiles) return internal_error(from + " holds too many files");
    const std::string target = to + entry->path().string().substr(from.size());
    ORCH_TRY(make_dirs(target.substr(0, target.rfind('/')), 0700));
    ORCH_TRY(write_file_whole(target, ORCH_TRY(content)));
  }
  if (error) return system_error("read " + from, error.value());
  return {};
}

// The database first: a secret that seals something in it is in the files by then.
Result<void> fill(const Place& place, const std::string& folder, const std::string& path) {
  ORCH_TRY(make_dirs(folder + "/" + kStoreFolder, 0700));
  const std::string database = server_dir(place) + "/" + kDatabase;
  const auto facts = ORCH_TRY(store::write_snapshot(database, "", folder + "/" + kDatabase));
  ORCH_TRY(copy_keys(server_dir(place), folder));
  Manifest manifest;
  manifest.created = format_time(place.clock->now());
  manifest.revision = facts.revision;
  manifest.objects = facts.objects;
  return pack(folder, std::move(manifest), path);
}

// All files of the new folder and the folders themselves.
Result<void> sync_all(const std::string& folder) {
  std::error_code error;
  auto entry = fs::recursive_directory_iterator(folder, error);
  for (; !error && entry != fs::end(entry); entry.increment(error)) {
    const UniqueFd fd(::open(entry->path().c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) {
      return system_error("sync " + entry->path().string(), errno);
    }
  }
  if (error) return system_error("read " + folder, error.value());
  return sync_folder(folder);
}

}  // namespace

Place place_of(const std::string& data_dir, const std::string& dir) {
  return {data_dir, dir.empty() ? data_dir + "/snapshots" : dir};
}

std::string find(const Place& place, const std::string& what) {
  return what.find('/') == what.npos ? place.dir + "/" + what : what;
}

Result<Snapshot> save(const Place& place, const std::string& name) {
  ORCH_TRY(check_name(name));
  if (!file_exists(server_dir(place) + "/" + kDatabase)) {
    return not_found("there is no cluster in " + place.data_dir +
                     ": is it the server's --data-dir?");
  }
  ORCH_TRY(make_dirs(place.dir, 0700));
  Snapshot snapshot;
  snapshot.name = name;
  snapshot.created = place.clock->now();
  snapshot.file = name + "-" + stamp(snapshot.created) + kSuffix;
  snapshot.path = place.dir + "/" + snapshot.file;
  if (file_exists(snapshot.path)) return already_exists(snapshot.path + " already exists");
  // Names that no other save has, for one may run beside the schedule's.
  const std::string folder = place.dir + "/." + snapshot.file + ".folder";
  const std::string partial = place.dir + "/." + snapshot.file + ".partial";
  Result<void> filled = fill(place, folder, partial);
  if (filled) filled = rename(partial, snapshot.path);
  ORCH_TRY(remove_tree(folder));
  ORCH_TRY(remove_tree(partial));
  if (!filled) return std::move(filled).status().in("save a snapshot");
  ORCH_TRY(sync_folder(place.dir));
  std::error_code error;
  snapshot.bytes = static_cast<int64_t>(fs::file_size(snapshot.path, error));
  return snapshot;
}

Result<std::vector<Snapshot>> list(const Place& place) {
  std::vector<Snapshot> snapshots;
  std::error_code error;
  auto entry = fs::directory_iterator(place.dir, error);
  for (; !error && entry != fs::end(entry); entry.increment(error)) {
    Snapshot snapshot;
    snapshot.path = entry->path();
    snapshot.file = entry->path().filename();
    std::string_view rest = snapshot.file;
    if (!rest.ends_with(kSuffix)) continue;
    rest.remove_suffix(std::string_view(kSuffix).size());
    const size_t dash = rest.rfind('-');
    if (dash == rest.npos || !parse_stamp(rest.substr(dash + 1), &snapshot.created)) continue;
    snapshot.name = rest.substr(0, dash);
    if (!check_name(snapshot.name)) continue;
    std::error_code gone;
    snapshot.bytes = static_cast<int64_t>(entry->file_size(gone));
    snapshots.push_back(std::move(snapshot));
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return system_error("read " + place.dir, error.value());
  }
  std::ranges::sort(snapshots, {}, &Snapshot::created);
  return snapshots;
}

Result<std::vector<Snapshot>> prune(const Place& place, const std::string& name, size_t keep) {
  std::vector<Snapshot> old;
  for (Snapshot& snapshot : ORCH_TRY(list(place))) {
    if (snapshot.name == name) old.push_back(std::move(snapshot));
  }
  old.resize(old.size() - std::min(old.size(), keep));
  for (const Snapshot& snapshot : old) {
    if (::unlink(snapshot.path.c_str()) != 0) {
      return system_error("remove " + snapshot.path, errno);
    }
  }
  return old;
}

Result<Restored> restore(const Place& place, const std::string& what) {
  const std::string path = find(place, what), server = server_dir(place);
  const std::string fresh = place.data_dir + "/server.restoring";
  ORCH_TRY(make_dirs(place.data_dir, 0755));
  UniqueFd lock;
  if (file_exists(server)) {
    ORCH_TRY(make_dirs(server + "/" + kStoreFolder, 0700));
    lock = ORCH_TRY(store::lock_directory(server + "/" + kStoreFolder));
  }
  ORCH_TRY(remove_tree(fresh));  // Of a restore that was interrupted.
  Restored restored;
  restored.manifest = ORCH_TRY(unpack(path, fresh));
  const std::string database = fresh + "/" + kDatabase;
  const auto facts = ORCH_TRY(store::check_database(database));
  restored.revision = facts.revision;
  // The old one may be past reading; what it can't tell the gap makes up for.
  if (const auto old = store::latest_revision(server + "/" + kDatabase)) {
    restored.revision = std::max(restored.revision, *old);
  }
  restored.revision += kRevisionGap;
  ORCH_TRY(store::raise_revision(database, restored.revision));
  ORCH_TRY(sync_all(fresh));
  if (file_exists(server)) {
    restored.set_aside = server + ".before-" + stamp(place.clock->now());
    ORCH_TRY(rename(server, restored.set_aside));
  }
  ORCH_TRY(rename(fresh, server));
  ORCH_TRY(sync_folder(place.data_dir));
  return restored;
}

}  // namespace orch::snapshots
