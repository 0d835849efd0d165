#include "server/snapshots/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "api/json.h"
#include "base/fd.h"
#include "base/files.h"
#include "base/strings.h"
#include "crypto/digest.h"

namespace orch::snapshots {

namespace {

namespace fs = std::filesystem;
using api::Value;

constexpr int kFormat = 1;
constexpr const char* kManifestName = "manifest.json";
constexpr const char* kCompression = "gzip:compression-level=3";  // Half the time of 6.
constexpr size_t kBlockBytes = 64u << 10;
constexpr size_t kSyncBytes = 1u << 20;  // As store/snapshot.h says: in steps, not all at the end.

// The empty member: a header with an extra field of 36 bytes, which is the subfield "OR" with the
// 32 bytes of the digest; then no data, whose CRC and length are 0.
constexpr std::string_view kSealHead{"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x24\0OR\x20\0", 16};
constexpr std::string_view kSealTail{"\x03\0\0\0\0\0\0\0\0\0", 10};
constexpr size_t kSealBytes = kSealHead.size() + 32 + kSealTail.size();

std::string seal_of(crypto::Sha256& digest) {
  return std::string(kSealHead) + digest.finish_bytes() + std::string(kSealTail);
}

Status damaged(const std::string& path, const std::string& what) {
  return internal_error("the snapshot " + path + " is damaged: " + what +
                        "; `orch snapshot list` shows the others");
}

// Gives a file's content to `take`, block by block, `limit` bytes at most.
template <typename Take>
Result<void> read_blocks(const std::string& path, int64_t limit, const Take& take) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return system_error("open " + path, errno);
  std::string block(kBlockBytes, '\0');
  while (limit > 0) {
    const auto wanted = std::min<size_t>(block.size(), static_cast<size_t>(limit));
    const ssize_t n = ::read(file.get(), block.data(), wanted);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("read " + path, errno);
    if (n == 0) break;
    limit -= n;
    ORCH_TRY(take(std::string_view(block.data(), static_cast<size_t>(n))));
  }
  return {};
}

// --- Writing.

struct FreeWriter {
  void operator()(::archive* a) const { ::archive_write_free(a); }
};

// Where libarchive's bytes go: to the file, to the digest, and to disk in steps.
struct Output {
  UniqueFd file;
  crypto::Sha256 digest;
  size_t unsynced = 0;
};

la_ssize_t write_block(::archive* writer, void* data, const void* bytes, size_t size) {
  Output& output = *static_cast<Output*>(data);
  const std::string_view block(static_cast<const char*>(bytes), size);
  if (const auto written = write_all(output.file.get(), block); !written) {
    ::archive_set_error(writer, ENOSPC, "%s", written.status().message.c_str());
    return -1;
  }
  output.digest.update(block);
  output.unsynced += size;
  if (output.unsynced >= kSyncBytes) {
    output.unsynced = 0;
    if (::fdatasync(output.file.get()) != 0) {
      ::archive_set_error(writer, errno, "sync failed");
      return -1;
    }
  }
  return static_cast<la_ssize_t>(size);
}

Status failure(::archive* a, const std::string& path) {
  const char* text = ::archive_error_string(a);
  return service_unavailable(path + ": " + (text != nullptr ? text : "unknown failure"));
}

class Writer {
 public:
  explicit Writer(const std::string& path) : path_(path), archive_(::archive_write_new()) {}

  Result<void> open(Output* output) {
    ::archive_write_set_format_pax_restricted(archive_.get());
    // No zeroes after the end: to gzip they would be no member.
    ::archive_write_set_bytes_in_last_block(archive_.get(), 1);
    if (::archive_write_add_filter_gzip(archive_.get()) != ARCHIVE_OK ||
        ::archive_write_set_options(archive_.get(), kCompression) != ARCHIVE_OK ||
        ::archive_write_open(archive_.get(), output, nullptr, write_block, nullptr) != ARCHIVE_OK) {
      return failure(archive_.get(), path_);
    }
    return {};
  }
  Result<void> begin(const std::string& name, int64_t bytes) {
    const std::unique_ptr<archive_entry, decltype(&::archive_entry_free)> entry(
        ::archive_entry_new(), ::archive_entry_free);
    ::archive_entry_set_pathname(entry.get(), name.c_str());
    ::archive_entry_set_size(entry.get(), bytes);
    ::archive_entry_set_filetype(entry.get(), AE_IFREG);
    ::archive_entry_set_perm(entry.get(), 0600);
    if (::archive_write_header(archive_.get(), entry.get()) == ARCHIVE_OK) return {};
    return failure(archive_.get(), path_);
  }
  Result<void> put(std::string_view bytes) {
    const auto size = static_cast<la_ssize_t>(bytes.size());
    if (::archive_write_data(archive_.get(), bytes.data(), bytes.size()) == size) return {};
    return failure(archive_.get(), path_);
  }
  Result<void> close() {
    if (::archive_write_close(archive_.get()) == ARCHIVE_OK) return {};
    return failure(archive_.get(), path_);
  }

 private:
  const std::string path_;
  std::unique_ptr<::archive, FreeWriter> archive_;
};

Result<std::vector<std::string>> files_below(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  auto entry = fs::recursive_directory_iterator(folder, error);
  for (; !error && entry != fs::end(entry); entry.increment(error)) {
    if (entry->is_directory(error)) continue;
    files.push_back(entry->path().string().substr(folder.size() + 1));
  }
  if (error) return system_error("read " + folder, error.value());
  if (files.size() > kMaxFiles) return internal_error(folder + " holds too many files");
  std::ranges::sort(files);
  return files;
}

// --- Reading.

struct FreeReader {
  void operator()(::archive* a) const { ::archive_read_free(a); }
};

class Reader {
 public:
  static Result<Reader> open(const std::string& path) {
    if (!file_exists(path)) return not_found("there is no snapshot " + path);
    Reader reader(path);
    ::archive* a = reader.archive_.get();
    ::archive_read_support_filter_gzip(a);
    ::archive_read_support_format_tar(a);
    if (::archive_read_open_filename(a, path.c_str(), kBlockBytes) == ARCHIVE_OK) return reader;
    return bad_request(path + " is no snapshot of orch");
  }

  // The name of the next entry; nothing at the end.
  Result<std::optional<std::string>> next() {
    archive_entry* entry = nullptr;
    const int code = ::archive_read_next_header(archive_.get(), &entry);
    if (code == ARCHIVE_EOF) return std::optional<std::string>();
    if (code != ARCHIVE_OK) return damaged(path_, "it can't be unpacked");
    const char* name = ::archive_entry_pathname(entry);
    return std::optional<std::string>(name != nullptr ? name : "");
  }

  template <typename Take>
  Result<void> read(const Take& take) {
    std::string block(kBlockBytes, '\0');
    for (;;) {
      const la_ssize_t n = ::archive_read_data(archive_.get(), block.data(), block.size());
      if (n == 0) return {};
      if (n < 0) return damaged(path_, "it can't be unpacked");
      ORCH_TRY(take(std::string_view(block.data(), static_cast<size_t>(n))));
    }
  }

  Result<Manifest> manifest() {
    const auto name = ORCH_TRY(next());
    if (name != kManifestName) return bad_request(path_ + " is no snapshot of orch");
    std::string text;
    ORCH_TRY(read([&](std::string_view bytes) -> Result<void> {
      text += bytes;
      if (text.size() > kMaxManifestBytes) return damaged(path_, "its manifest is too large");
      return {};
    }));
    const auto json = api::parse_json(text);
    if (!json) return damaged(path_, "its manifest is no JSON");
    const int64_t format = (*json)["format"].as_int();
    if (format != kFormat) {
      return bad_request(path_ + " has format " + std::to_string(format) + ", this program knows " +
                         std::to_string(kFormat));
    }
    return Manifest{(*json)["created"].as_string(), (*json)["revision"].as_int(),
                    (*json)["objects"].as_int()};
  }

 private:
  explicit Reader(std::string path) : path_(std::move(path)), archive_(::archive_read_new()) {}

  std::string path_;
  std::unique_ptr<::archive, FreeReader> archive_;
};

Result<void> check_seal(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return not_found("there is no snapshot " + path);
  const int64_t content = info.st_size - static_cast<int64_t>(kSealBytes);
  if (content <= 0) return damaged(path, "it is too short");
  crypto::Sha256 digest;
  std::string seal;
  int64_t at = 0;
  ORCH_TRY(read_blocks(path, info.st_size, [&](std::string_view block) {
    const int64_t left = std::max<int64_t>(content - at, 0);
    const std::string_view head = block.substr(0, static_cast<size_t>(left));
    digest.update(head);
    seal += block.substr(head.size());
    at += static_cast<int64_t>(block.size());
    return Result<void>();
  }));
  if (seal == seal_of(digest)) return {};
  return damaged(path, "its content differs from its checksum");
}

// "tls/ca.crt" stays; "/x", "a/../b", "" do not.
bool is_clean(std::string_view name) {
  if (name.empty() || name.size() > 1024) return false;
  const auto parts = split(name, '/');
  return std::none_of(parts.begin(), parts.end(), [](std::string_view part) {
    return part.empty() || part == "." || part == "..";
  });
}

Result<void> write_file(Reader& reader, const std::string& target) {
  ORCH_TRY(make_dirs(target.substr(0, target.rfind('/')), 0700));
  const UniqueFd out(
      ::open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!out) return system_error("create " + target, errno);
  return reader.read([&](std::string_view block) { return write_all(out.get(), block); });
}

}  // namespace

Result<void> pack(const std::string& folder, const Manifest& manifest, const std::string& path) {
  const auto files = ORCH_TRY(files_below(folder));
  Output output;
  output.file.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!output.file) return system_error("create " + path, errno);
  Writer writer(path);
  ORCH_TRY(writer.open(&output));
  const std::string head = api::to_json(Value::object({{"format", kFormat},
                                                       {"created", manifest.created},
                                                       {"revision", manifest.revision},
                                                       {"objects", manifest.objects}}));
  ORCH_TRY(writer.begin(kManifestName, static_cast<int64_t>(head.size())));
  ORCH_TRY(writer.put(head));
  for (const std::string& name : files) {
    const std::string source = folder + "/" + name;
    std::error_code error;
    const auto bytes = static_cast<int64_t>(fs::file_size(source, error));
    if (error) return system_error("read " + source, error.value());
    ORCH_TRY(writer.begin(name, bytes));
    ORCH_TRY(read_blocks(source, bytes, [&](std::string_view block) { return writer.put(block); }));
  }
  ORCH_TRY(writer.close());
  ORCH_TRY(write_all(output.file.get(), seal_of(output.digest)));
  if (::fsync(output.file.get()) != 0) return system_error("sync " + path, errno);
  return {};
}

Result<Manifest> read_manifest(const std::string& path) {
  Reader reader = ORCH_TRY(Reader::open(path));
  return reader.manifest();
}

Result<Manifest> check(const std::string& path) {
  ORCH_TRY(check_seal(path));
  return read_manifest(path);
}

Result<Manifest> unpack(const std::string& path, const std::string& folder) {
  ORCH_TRY(check_seal(path));
  Reader reader = ORCH_TRY(Reader::open(path));
  const Manifest manifest = ORCH_TRY(reader.manifest());
  ORCH_TRY(make_dirs(folder, 0700));
  while (const auto name = ORCH_TRY(reader.next())) {
    if (!is_clean(*name)) return damaged(path, "it holds the path \"" + *name + "\"");
    ORCH_TRY(write_file(reader, folder + "/" + *name));
  }
  return manifest;
}

}  // namespace orch::snapshots
