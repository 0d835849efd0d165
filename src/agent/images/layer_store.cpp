#include "agent/images/layer_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <set>
#include <thread>

#include "agent/images/manifest.h"
#include "agent/images/unpack.h"
#include "api/json.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "crypto/digest.h"

namespace orch::images {

namespace {

using api::Value;

constexpr size_t kMaxRecordBytes = 4u << 20;

// 160 bits of the digest, short enough that the options of a mount hold kMaxLayers of them.
std::string layer_key(const std::string& digest) {
  return base64url_encode(crypto::sha256_bytes(digest).substr(0, 20));
}

bool valid_container_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

std::vector<std::string> list_folder(const std::string& path) {
  std::vector<std::string> names;
  DIR* dir = ::opendir(path.c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  ::closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

Value list_of(const std::vector<std::string>& texts) {
  Value list(api::Array{});
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

std::vector<std::string> texts_of(const Value& list) {
  std::vector<std::string> texts;
  for (const Value& item : list.items()) texts.push_back(item.as_string());
  return texts;
}

std::string render_record(const ImageRecord& record) {
  const ImageConfig& c = record.image.config;
  Value labels(Value::Object{}), volumes(Value::Object{}), ports(Value::Object{});
  for (const auto& [name, value] : c.labels) labels.set(name, value);
  for (const std::string& volume : c.volumes) volumes.set(volume, Value(Value::Object{}));
  for (const std::string& port : c.exposed_ports) ports.set(port, Value(Value::Object{}));
  const Value config = Value::object({{"Entrypoint", list_of(c.entrypoint)},
                                      {"Cmd", list_of(c.cmd)},
                                      {"Env", list_of(c.env)},
                                      {"User", c.user},
                                      {"WorkingDir", c.working_dir},
                                      {"StopSignal", c.stop_signal},
                                      {"ExposedPorts", ports},
                                      {"Volumes", volumes},
                                      {"Labels", labels}});
  return api::to_json(Value::object({{"id", record.image.id},
                                     {"repoDigest", record.image.repo_digest},
                                     {"names", list_of(record.image.names)},
                                     {"size", record.image.size_bytes},
                                     {"layers", list_of(record.layers)},
                                     {"config", config}}));
}

Result<ImageRecord> parse_record(const std::string& text) {
  const Value document = ORCH_TRY(api::parse_json(text, {kMaxRecordBytes, nullptr}));
  ImageRecord record;
  record.image.id = document["id"].as_string();
  record.image.repo_digest = document["repoDigest"].as_string();
  record.image.names = texts_of(document["names"]);
  record.image.size_bytes = document["size"].as_int();
  record.image.config =
      ORCH_TRY(parse_config(api::to_json(Value::object({{"config", document["config"]}}))));
  record.layers = texts_of(document["layers"]);
  return record;
}

// The options of one mount must fit a page, so lowers are named relative to `layers_dir`: on a
// thread of its own, whose working directory is not the process's.
Result<void> mount_overlay(const std::string& layers_dir, const std::string& options,
                           const std::string& target) {
  int error_number = 0;
  std::thread([&] {
    if (::unshare(CLONE_FS) != 0 || ::chdir(layers_dir.c_str()) != 0 ||
        ::mount("overlay", target.c_str(), "overlay", 0, options.c_str()) != 0)
      error_number = errno;
  }).join();
  if (error_number != 0) return system_error("mount overlay at " + target, error_number);
  return {};
}

bool is_mount_point(const std::string& path) {
  struct stat here {
  }, above{};
  return ::stat(path.c_str(), &here) == 0 && ::stat((path + "/..").c_str(), &above) == 0 &&
         here.st_dev != above.st_dev;
}

Result<void> sync_file_system(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::syncfs(fd.get()) != 0) return system_error("sync " + path, errno);
  return {};
}

}  // namespace

Result<std::unique_ptr<LayerStore>> LayerStore::open(std::string dir, Random& random) {
  for (const char* part : {"/layers", "/images", "/containers", "/tmp"})
    ORCH_TRY(make_dirs(dir + part, 0700));
  auto store = std::unique_ptr<LayerStore>(new LayerStore(std::move(dir), random));
  const UniqueFd lock = ORCH_TRY(store->lock());
  const std::string in_use = store->dir_ + "/in-use";
  store->in_use_.reset(::open(in_use.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!store->in_use_) return system_error("open " + in_use, errno);
  // Alone: then what is under tmp/ belongs to nobody who lives.
  if (::flock(store->in_use_.get(), LOCK_EX | LOCK_NB) == 0) {
    for (const std::string& name : list_folder(store->dir_ + "/tmp"))
      ORCH_TRY(remove_tree(store->dir_ + "/tmp/" + name));
  }
  if (::flock(store->in_use_.get(), LOCK_SH | LOCK_NB) != 0) return system_error(in_use, errno);
  return store;
}

Result<UniqueFd> LayerStore::lock() const {
  UniqueFd fd(::open((dir_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return system_error("open " + dir_ + "/lock", errno);
  while (::flock(fd.get(), LOCK_EX) != 0)
    if (errno != EINTR) return system_error("lock " + dir_, errno);
  return fd;
}

Result<std::string> LayerStore::make_temporary() const {
  const std::string path = dir_ + "/tmp/" + random_.uuid();
  ORCH_TRY(make_dirs(path, 0700));
  return path;
}

bool LayerStore::has_layer(const std::string& digest) const {
  return file_exists(dir_ + "/layers/" + layer_key(digest));
}

Result<void> LayerStore::add_layer(const std::string& digest, const std::string& archive_path) {
  if (has_layer(digest)) return {};
  const std::string temporary = ORCH_TRY(make_temporary());
  // The root of a layer without an entry for "/" is everybody's to read.
  ::chmod(temporary.c_str(), 0755);
  Result<void> done;
  if (auto unpacked = unpack_layer(archive_path, temporary); !unpacked)
    done = std::move(unpacked).status().in("layer " + digest);
  if (done) done = sync_file_system(temporary);
  if (done && ::rename(temporary.c_str(), (dir_ + "/layers/" + layer_key(digest)).c_str()) != 0 &&
      errno != EEXIST && errno != ENOTEMPTY)
    done = system_error("keep layer " + digest, errno);
  if (auto removed = remove_tree(temporary); done && !removed) return removed;
  return done;
}

std::vector<ImageRecord> LayerStore::images() const {
  std::vector<ImageRecord> records;
  for (const std::string& name : list_folder(dir_ + "/images")) {
    if (!name.ends_with(".json")) continue;
    const std::string path = dir_ + "/images/" + name;
    const auto text = read_file(path, kMaxRecordBytes);
    auto record = text ? parse_record(*text) : Result<ImageRecord>(text.status());
    if (record)
      records.push_back(std::move(*record));
    else
      log::warning("images", path + " is skipped: " + record.status().message);
  }
  return records;
}

Result<void> LayerStore::put_image(const ImageRecord& record) {
  // A name belongs to the image that got it last.
  std::vector<ImageRecord> others = images();
  for (ImageRecord& other : others) {
    if (other.image.id == record.image.id) continue;
    const size_t taken = std::erase_if(other.image.names, [&](const std::string& name) {
      return std::find(record.image.names.begin(), record.image.names.end(), name) !=
             record.image.names.end();
    });
    if (taken > 0)
      ORCH_TRY(write_file_atomic(dir_ + "/images/" + other.image.id.substr(7) + ".json",
                                 render_record(other)));
  }
  return write_file_atomic(dir_ + "/images/" + record.image.id.substr(7) + ".json",
                           render_record(record));
}

Result<void> LayerStore::drop_image(const ImageRecord& record) {
  std::set<std::string> needed;
  for (const ImageRecord& other : images())
    if (other.image.id != record.image.id) needed.insert(other.layers.begin(), other.layers.end());
  const std::string path = dir_ + "/images/" + record.image.id.substr(7) + ".json";
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error("unlink " + path, errno);
  for (const std::string& layer : record.layers) {
    if (needed.contains(layer)) continue;
    const std::string doomed = dir_ + "/tmp/" + random_.uuid();
    if (::rename((dir_ + "/layers/" + layer_key(layer)).c_str(), doomed.c_str()) == 0)
      ORCH_TRY(remove_tree(doomed));
  }
  return {};
}

Result<std::string> LayerStore::mount(const ImageRecord& record, const std::string& container_id) {
  if (!valid_container_id(container_id)) return bad_request("bad container id " + container_id);
  const std::string dir = container_dir(container_id), root = dir + "/root";
  if (is_mount_point(root)) return root;
  for (const char* part : {"/upper", "/work", "/root"}) ORCH_TRY(make_dirs(dir + part, 0755));
  ORCH_TRY(write_file_whole(dir + "/image", record.image.id));
  std::string lowers;
  for (auto layer = record.layers.rbegin(); layer != record.layers.rend(); ++layer) {
    if (!has_layer(*layer)) return internal_error("layer " + *layer + " is missing in " + dir_);
    if (!lowers.empty()) lowers += ":";
    lowers += layer_key(*layer);
  }
  if (lowers.empty()) {  // An image without layers: an empty lower.
    ORCH_TRY(make_dirs(dir + "/empty", 0755));
    lowers = "../containers/" + container_id + "/empty";
  }
  const std::string own = "../containers/" + container_id;
  ORCH_TRY(mount_overlay(
      dir_ + "/layers",
      "lowerdir=" + lowers + ",upperdir=" + own + "/upper,workdir=" + own + "/work", root));
  return root;
}

Result<void> LayerStore::unmount(const std::string& container_id) {
  if (!valid_container_id(container_id)) return bad_request("bad container id " + container_id);
  const std::string root = container_dir(container_id) + "/root";
  while (::umount2(root.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) return system_error("unmount " + root, errno);
  return remove_tree(container_dir(container_id));
}

std::vector<std::string> LayerStore::containers() const {
  return list_folder(dir_ + "/containers");
}

std::vector<std::string> LayerStore::mounted_images() const {
  std::vector<std::string> ids;
  for (const std::string& id : containers())
    if (auto image = read_file(container_dir(id) + "/image", 256)) ids.push_back(*image);
  return ids;
}

}  // namespace orch::images
