// The room's front: names to images, pulls and imports, one at a time for each name.
#include "agent/images/images.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <set>

#include "agent/images/image_archive.h"
#include "agent/images/layer_store.h"
#include "agent/images/reference.h"
#include "agent/images/registry.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "crypto/digest.h"

namespace orch::images {

namespace {

constexpr int64_t kMaxMarkBytes = 8192;

Status with_reason(Status status, std::string_view reason) {
  status.reason = reason;
  return status;
}

bool is_loopback(std::string_view host) {
  return host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
}

// Removes a folder of ours at the end of a scope.
class Temporary {
 public:
  explicit Temporary(std::string path) : path_(std::move(path)) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (const auto removed = remove_tree(path_); !removed)
      log::warning("images", "left behind: " + removed.status().message);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class LocalImages : public Images {
 public:
  LocalImages(Options options, std::unique_ptr<LayerStore> store)
      : options_(std::move(options)), store_(std::move(store)) {}

  Result<void> import_all() {
    ORCH_TRY(make_dirs(options_.dir + "/imported", 0700));
    std::error_code error;
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(options_.import_dir, error))
      if (entry.is_regular_file()) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    for (const std::string& path : paths) {
      const bool known = path.ends_with(".tar") || path.ends_with(".tar.gz") ||
                         path.ends_with(".tgz") || path.ends_with(".tar.zst");
      if (!known) continue;
      import_once(path);
    }
    return {};
  }

  // Reads an archive whole only when it is new or has changed since.
  void import_once(const std::string& path) {
    const std::string mark = mark_of(path), mark_path = imported_path(path);
    if (!mark.empty() && read_file(mark_path, kMaxMarkBytes).value_or("") == mark) return;
    // One bad archive must not keep the node from starting.
    auto done = import_archive(path);
    if (!done) return log::error("images", "import failed: " + done.status().message);
    if (const auto noted = write_file_atomic(mark_path, mark); !noted)
      log::warning("images", "will import again: " + noted.status().message);
  }

  Result<ImageRef> ensure(const EnsureRequest& request) override {
    const Reference reference = ORCH_TRY(parse_reference(request.image));
    const std::string name = reference.to_string();
    const bool fixed = !reference.digest.empty();  // What a digest names never changes.
    if (request.policy != PullPolicy::always || fixed)
      if (auto here = find(request.image)) return here;
    if (request.policy == PullPolicy::never)
      return with_reason(not_found("Container image \"" + request.image +
                                   "\" is not present with pull policy of Never"),
                         "ErrImageNeverPull");
    return pull_once(request, reference, name);
  }

  Result<ImageRef> find(std::string_view name_or_id) override {
    const auto record = ORCH_TRY(find_record(name_or_id));
    return record.image;
  }

  std::vector<ImageRef> list() override {
    std::vector<ImageRef> out;
    std::vector<ImageRecord> records = store_->images();
    for (ImageRecord& record : records) out.push_back(std::move(record.image));
    return out;
  }

  Result<void> remove(std::string_view name_or_id) override {
    const UniqueFd lock = ORCH_TRY(store_->lock());
    const ImageRecord record = ORCH_TRY(find_record(name_or_id));
    const auto used = store_->mounted_images();
    if (std::find(used.begin(), used.end(), record.image.id) != used.end())
      return conflict("image " + std::string(name_or_id) + " is in use by a container");
    ORCH_TRY(forget_imports());
    return store_->drop_image(record);
  }

  Result<std::string> mount(const std::string& image_id, const std::string& container_id) override {
    return store_->mount(ORCH_TRY(find_record(image_id)), container_id);
  }

  Result<void> unmount(const std::string& container_id) override {
    return store_->unmount(container_id);
  }

  std::vector<std::string> mounted() override { return store_->containers(); }

  Result<std::vector<ImageRef>> import_archive(const std::string& path) override {
    const Temporary folder(ORCH_TRY(store_->make_temporary()));
    const auto archived = ORCH_TRY(read_image_archive(path, folder.path()));
    const UniqueFd lock = ORCH_TRY(store_->lock());
    std::vector<ImageRef> out;
    for (const ArchivedImage& image : archived) {
      ImageRecord record;
      record.image.id = image.id;
      record.image.names = image.names;
      record.image.config = ORCH_TRY(parse_config(image.config_json));
      for (const ArchivedImage::Layer& layer : image.layers) {
        ORCH_TRY(store_->add_layer(layer.digest, layer.path));
        record.layers.push_back(layer.digest);
        std::error_code error;
        const auto size = std::filesystem::file_size(layer.path, error);
        if (!error) record.image.size_bytes += static_cast<int64_t>(size);
      }
      ORCH_TRY(put(&record));
      out.push_back(record.image);
    }
    return out;
  }

 private:
  // Where it is noted that the archive was imported, and what it looked like then: path, size and
  // time of its last change. "" when it can't be told.
  std::string imported_path(const std::string& path) const {
    return options_.dir + "/imported/" + crypto::sha256_hex(path);
  }
  static std::string mark_of(const std::string& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return "";
    return path + " " + std::to_string(found.st_size) + " " + std::to_string(found.st_mtim.tv_sec) +
           "." + std::to_string(found.st_mtim.tv_nsec);
  }
  // A removed image is imported again at the next start.
  Result<void> forget_imports() { return remove_tree(options_.dir + "/imported"); }

  Result<ImageRecord> find_record(std::string_view name_or_id) {
    std::string name, repo_digest;
    if (const auto reference = parse_reference(name_or_id)) {
      name = reference->to_string();
      if (!reference->digest.empty())
        repo_digest = reference->repository() + "@" + reference->digest;
    }
    std::vector<ImageRecord> records = store_->images();
    for (ImageRecord& record : records) {
      const auto& names = record.image.names;
      const bool named = repo_digest.empty()
                             ? std::find(names.begin(), names.end(), name) != names.end()
                             : record.image.repo_digest == repo_digest;
      if (record.image.id == name_or_id || named) return std::move(record);
    }
    return not_found("image \"" + std::string(name_or_id) + "\" is not here");
  }

  // Keeps the names that the image had before. REQUIRES: the store's lock is held.
  Result<void> put(ImageRecord* record) {
    if (const auto before = find_record(record->image.id)) {
      for (const std::string& name : before->image.names)
        if (std::find(record->image.names.begin(), record->image.names.end(), name) ==
            record->image.names.end())
          record->image.names.push_back(name);
      if (record->image.repo_digest.empty()) record->image.repo_digest = before->image.repo_digest;
    }
    return store_->put_image(*record);
  }

  // A second caller for a name under way waits for the first and takes its image.
  Result<ImageRef> pull_once(const EnsureRequest& request, const Reference& reference,
                             const std::string& name) {
    {
      std::unique_lock lock(mutex_);
      if (pulling_.contains(name)) {
        pulled_.wait(lock, [&] { return !pulling_.contains(name); });
        lock.unlock();
        if (auto here = find(request.image)) return here;
        lock.lock();
        pulled_.wait(lock, [&] { return !pulling_.contains(name); });
      }
      pulling_.insert(name);
    }
    auto image = pull_from_any(request, reference);
    {
      const std::lock_guard lock(mutex_);
      pulling_.erase(name);
      pulled_.notify_all();
    }
    if (image) return image;
    Status status = std::move(image).status();
    status.message = "failed to pull image \"" + request.image + "\": " + status.message;
    return with_reason(std::move(status), "ErrImagePull");
  }

  Result<ImageRef> pull_from_any(const EnsureRequest& request, const Reference& reference) {
    std::vector<std::string> urls;
    for (const RegistryMirror& mirror : options_.mirrors)
      if (mirror.host == reference.host)
        urls.insert(urls.end(), mirror.endpoints.begin(), mirror.endpoints.end());
    const bool plain = is_loopback(reference.host) ||
                       std::find(options_.insecure_hosts.begin(), options_.insecure_hosts.end(),
                                 reference.host) != options_.insecure_hosts.end();
    const std::string host =
        reference.host == "docker.io" ? "registry-1.docker.io" : reference.host;
    urls.push_back((plain ? "http://" : "https://") + host);
    Result<ImageRef> last = not_found("no registry to ask");
    for (const std::string& url : urls) {
      last = pull(url, request, reference);
      if (last) return last;
    }
    return last;
  }

  Result<ImageRef> pull(const std::string& url, const EnsureRequest& request,
                        const Reference& reference) {
    std::vector<Credential> credentials;
    for (const std::string& text : request.credentials)
      if (Credential c = find_credential(text, reference.host); !c.user.empty())
        credentials.push_back(std::move(c));
    Registry registry(url, reference, std::move(credentials), request.cancel_fd);
    const auto top = ORCH_TRY(registry.manifest(reference.version()));
    std::string text = top.text;
    if (is_index(text)) {
      const Descriptor chosen = ORCH_TRY(choose_platform(text, machine_architecture()));
      text = ORCH_TRY(registry.manifest(chosen.digest)).text;
    }
    const Manifest manifest = ORCH_TRY(parse_manifest(text));
    const Temporary folder(ORCH_TRY(store_->make_temporary()));

    ImageRecord record;
    record.image.id = manifest.config.digest;
    record.image.pulled = true;
    record.image.repo_digest = reference.repository() + "@" + top.digest;
    if (!reference.tag.empty()) record.image.names = {reference.to_string()};
    const std::string config = folder.path() + "/config";
    ORCH_TRY(fetch(registry, manifest.config, config, [](size_t) {}));
    record.image.config = ORCH_TRY(parse_config(ORCH_TRY(read_file(config, kMaxManifestBytes))));
    ORCH_TRY(fetch_layers(registry, manifest, folder.path(), request, &record));
    const UniqueFd lock = ORCH_TRY(store_->lock());
    ORCH_TRY(put(&record));
    return record.image;
  }

  Result<void> fetch_layers(Registry& registry, const Manifest& manifest, const std::string& folder,
                            const EnsureRequest& request, ImageRecord* record) {
    Progress progress;
    progress.layers = static_cast<int>(manifest.layers.size());
    for (const Descriptor& layer : manifest.layers) progress.bytes += layer.size;
    for (const Descriptor& layer : manifest.layers) {
      record->layers.push_back(layer.digest);
      record->image.size_bytes += layer.size;
      if (store_->has_layer(layer.digest)) {
        progress.bytes_done += layer.size;
      } else {
        const std::string path = folder + "/layer";
        ORCH_TRY(fetch(registry, layer, path, [&](size_t n) {
          progress.bytes_done += static_cast<int64_t>(n);
          if (request.progress) request.progress(progress);
        }));
        ORCH_TRY(store_->add_layer(layer.digest, path));
      }
      ++progress.layers_done;
    }
    return {};
  }

  static Result<void> fetch(Registry& registry, const Descriptor& descriptor,
                            const std::string& path, const std::function<void(size_t)>& arrived) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) return system_error("create " + path, errno);
    return registry.blob(descriptor, fd.get(), arrived);
  }

  const Options options_;
  const std::unique_ptr<LayerStore> store_;
  std::mutex mutex_;
  std::condition_variable pulled_;
  std::set<std::string> pulling_;
};

}  // namespace

Result<std::unique_ptr<Images>> Images::open(Options options, Clock&, Random& random) {
  auto store = ORCH_TRY(LayerStore::open(options.dir, random));
  const bool imports = !options.import_dir.empty();
  auto images = std::make_unique<LocalImages>(std::move(options), std::move(store));
  if (imports) ORCH_TRY(images->import_all());
  return std::unique_ptr<Images>(std::move(images));
}

}  // namespace orch::images
