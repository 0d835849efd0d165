#include "agent/images/image_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "agent/images/archive_reader.h"
#include "agent/images/reference.h"
#include "api/json.h"
#include "base/files.h"
#include "base/strings.h"
#include "crypto/digest.h"

namespace orch::images {

namespace {

using api::Value;

// "blobs/sha256/ab.." stays; "/x", "a/../b", "" do not.
bool clean_relative(std::string_view name) {
  if (name.empty() || name.size() > 1024) return false;
  const auto parts = split(name, '/');
  return std::none_of(parts.begin(), parts.end(), [](std::string_view part) {
    return part.empty() || part == "." || part == "..";
  });
}

Result<void> write_entry(archive* source, const std::string& path, int64_t* budget) {
  ORCH_TRY(make_dirs(path.substr(0, path.rfind('/')), 0700));
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return system_error("create " + path, errno);
  char buffer[64 << 10];
  for (;;) {
    const la_ssize_t n = ::archive_read_data(source, buffer, sizeof buffer);
    if (n == 0) return {};
    if (n < 0) return bad_request("the archive is cut short or damaged");
    *budget -= n;
    if (*budget < 0) return bad_request("the archive holds too much");
    ORCH_TRY(write_all(fd.get(), {buffer, static_cast<size_t>(n)}));
  }
}

Result<void> extract(const std::string& archive_path, const std::string& folder,
                     const ArchiveLimits& limits) {
  const ArchiveReader source(::archive_read_new());
  ::archive_read_support_filter_gzip(source.get());
  ::archive_read_support_filter_zstd(source.get());
  ::archive_read_support_format_tar(source.get());
  if (::archive_read_open_filename(source.get(), archive_path.c_str(), 128 << 10) != ARCHIVE_OK)
    return bad_request(archive_path + ": " + ::archive_error_string(source.get()));
  int64_t budget = limits.max_bytes;
  for (int64_t files = 0;; ++files) {
    archive_entry* entry = nullptr;
    const int code = ::archive_read_next_header(source.get(), &entry);
    if (code == ARCHIVE_EOF) return {};
    if (code < ARCHIVE_WARN)
      return bad_request(archive_path + ": " + ::archive_error_string(source.get()));
    if (files >= limits.max_files) return bad_request(archive_path + ": too many files");
    if (::archive_entry_filetype(entry) != AE_IFREG || ::archive_entry_hardlink(entry) != nullptr)
      continue;
    const char* raw = ::archive_entry_pathname(entry);
    std::string_view name = raw != nullptr ? raw : "";
    while (name.starts_with("./")) name.remove_prefix(2);
    if (!clean_relative(name))
      return bad_request(archive_path + ": holds the path \"" + std::string(name.substr(0, 200)) +
                         "\", which leads out of the archive");
    ORCH_TRY(write_entry(source.get(), folder + "/" + std::string(name), &budget));
  }
}

Result<std::string> digest_of_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return not_found(path + " is missing in the archive");
  crypto::Sha256 digest;
  std::string buffer(64 << 10, '\0');
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0) return system_error("read " + path, errno);
    if (n == 0) return "sha256:" + digest.finish_hex();
    digest.update({buffer.data(), static_cast<size_t>(n)});
  }
}

Result<std::string> blob_path(const std::string& folder, const std::string& digest) {
  if (!valid_digest(digest)) return bad_request("the archive names a bad digest");
  return folder + "/blobs/sha256/" + digest.substr(7);
}

// A blob's text, when it has the digest by which it was named.
Result<std::string> read_blob(const std::string& folder, const std::string& digest) {
  const std::string path = ORCH_TRY(blob_path(folder, digest));
  std::string text = ORCH_TRY(read_file(path, kMaxManifestBytes));
  if ("sha256:" + crypto::sha256_hex(text) != digest)
    return bad_request("blob " + digest + " in the archive is damaged: its digest differs");
  return text;
}

std::vector<std::string> normalized(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const std::string& name : names)
    if (const auto reference = parse_reference(name)) out.push_back(reference->to_string());
  return out;
}

Result<ArchivedImage> read_oci_manifest(const std::string& folder, Descriptor descriptor,
                                        std::vector<std::string> names) {
  std::string text = ORCH_TRY(read_blob(folder, descriptor.digest));
  if (is_index(text)) {
    descriptor = ORCH_TRY(choose_platform(text, machine_architecture()));
    text = ORCH_TRY(read_blob(folder, descriptor.digest));
  }
  const Manifest manifest = ORCH_TRY(parse_manifest(text));
  ArchivedImage image;
  image.names = std::move(names);
  image.id = manifest.config.digest;
  image.config_json = ORCH_TRY(read_blob(folder, manifest.config.digest));
  for (const Descriptor& layer : manifest.layers) {
    const std::string path = ORCH_TRY(blob_path(folder, layer.digest));
    if (ORCH_TRY(digest_of_file(path)) != layer.digest)
      return bad_request("layer " + layer.digest +
                         " in the archive is damaged: its digest differs");
    image.layers.push_back({layer.digest, path});
  }
  return image;
}

Result<std::vector<ArchivedImage>> read_oci(const std::string& folder) {
  const Value index =
      ORCH_TRY(api::parse_json(ORCH_TRY(read_file(folder + "/index.json", kMaxManifestBytes))));
  std::vector<ArchivedImage> images;
  for (const Value& entry : index["manifests"].items()) {
    const Value& notes = entry["annotations"];
    std::string name = notes["io.containerd.image.name"].as_string();
    if (name.empty()) name = notes["org.opencontainers.image.ref.name"].as_string();
    images.push_back(ORCH_TRY(read_oci_manifest(
        folder, {entry["digest"].as_string(), entry["size"].as_int(), ""}, normalized({name}))));
  }
  return images;
}

// gzip or zstd: then the digest of the file is not that of the tar in it.
bool is_compressed(const std::string& path) {
  unsigned char magic[4] = {};
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd || ::read(fd.get(), magic, sizeof magic) != sizeof magic) return false;
  return (magic[0] == 0x1f && magic[1] == 0x8b) || (magic[0] == 0x28 && magic[1] == 0xb5);
}

// The configuration names the layers' digests; unpacked they are checked against it.
Result<void> check_layers(const ArchivedImage& image) {
  const Value config = ORCH_TRY(api::parse_json(image.config_json));
  const Value& wanted = config["rootfs"]["diff_ids"];
  if (wanted.size() != image.layers.size())
    return bad_request("the image's configuration names " + std::to_string(wanted.size()) +
                       " layers, the archive has " + std::to_string(image.layers.size()));
  for (size_t i = 0; i < image.layers.size(); ++i) {
    const ArchivedImage::Layer& layer = image.layers[i];
    if (wanted.items()[i].as_string() != layer.digest && !is_compressed(layer.path))
      return bad_request("layer " + std::to_string(i + 1) +
                         " in the archive is damaged: its digest differs");
  }
  return {};
}

Result<std::vector<ArchivedImage>> read_docker(const std::string& folder) {
  const Value list =
      ORCH_TRY(api::parse_json(ORCH_TRY(read_file(folder + "/manifest.json", kMaxManifestBytes))));
  std::vector<ArchivedImage> images;
  for (const Value& entry : list.items()) {
    ArchivedImage image;
    std::vector<std::string> names;
    for (const Value& name : entry["RepoTags"].items()) names.push_back(name.as_string());
    image.names = normalized(names);
    const std::string& config = entry["Config"].as_string();
    if (!clean_relative(config)) return bad_request("the archive's manifest names a bad path");
    image.config_json = ORCH_TRY(read_file(folder + "/" + config, kMaxManifestBytes));
    image.id = "sha256:" + crypto::sha256_hex(image.config_json);
    if (entry["Layers"].size() > kMaxLayers) return bad_request("the image has too many layers");
    for (const Value& layer : entry["Layers"].items()) {
      if (!clean_relative(layer.as_string()))
        return bad_request("the archive's manifest names a bad path");
      const std::string path = folder + "/" + layer.as_string();
      std::string digest = ORCH_TRY(digest_of_file(path));
      image.layers.push_back({std::move(digest), path});
    }
    ORCH_TRY(check_layers(image));
    images.push_back(std::move(image));
  }
  return images;
}

}  // namespace

Result<std::vector<ArchivedImage>> read_image_archive(const std::string& archive_path,
                                                      const std::string& folder,
                                                      const ArchiveLimits& limits) {
  ORCH_TRY(extract(archive_path, folder, limits));
  // `docker save` of today writes both; its manifest.json alone has the names.
  auto images = file_exists(folder + "/manifest.json") ? read_docker(folder)
                : file_exists(folder + "/index.json")
                    ? read_oci(folder)
                    : Result<std::vector<ArchivedImage>>(bad_request(
                          "neither index.json nor manifest.json in it: no image archive"));
  if (images && images->empty()) images = bad_request("it holds no image");
  if (!images) return std::move(images).status().in(archive_path);
  return images;
}

}  // namespace orch::images
