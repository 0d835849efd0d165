// Tars out of lines, so that mutations reach what stands behind a tar's checksums:
//
//   0 etc/passwd root:x:0:0      a file        2 bin/sh busybox      a symbolic link
//   1 b a                        a hard link   5 etc                 a folder
//
// A text that begins with "raw" is given on as the archive's bytes. And a folder for one run, in
// which what the archive makes can be told from what it should not have touched.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/files.h"
#include "base/strings.h"

namespace orch::fuzz {

inline void append_tar_entry(std::string* tar, char type, std::string_view name,
                             std::string_view content) {
  const bool has_data = type == '0';
  char header[512] = {};
  name.copy(header, 100);
  snprintf(header + 100, 8, "%07o", 0644u);
  snprintf(header + 124, 12, "%011zo", has_data ? content.size() : size_t{0});
  header[156] = type;
  if (!has_data) content.copy(header + 157, 100);
  memcpy(header + 257, "ustar\00000", 8);
  memset(header + 148, ' ', 8);
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  snprintf(header + 148, 8, "%06o", sum);
  tar->append(header, sizeof header);
  if (!has_data) return;
  *tar += content;
  tar->append((512 - content.size() % 512) % 512, '\0');
}

inline std::string tar_of(std::string_view text) {
  if (text.starts_with("raw")) return std::string(text.substr(3));
  std::string tar;
  for (const std::string_view line : split(text, '\n')) {
    if (line.size() < 3) continue;
    const std::string_view rest = line.substr(2);
    const size_t blank = rest.find(' ');
    append_tar_entry(&tar, line[0], rest.substr(0, blank),
                     blank == rest.npos ? std::string_view() : rest.substr(blank + 1));
  }
  return tar.append(1024, '\0');
}

// <temporary>/outside/secret must stay as it is, whatever is unpacked into <temporary>/root.
class Playground {
 public:
  Playground() {
    const char* base = getenv("TMPDIR");
    path_ = std::string(base ? base : "/tmp") + "/orch-fuzz.XXXXXX";
    ORCH_CHECK(mkdtemp(path_.data()));
    ORCH_CHECK(make_dirs(root()).ok() && make_dirs(path_ + "/outside").ok());
    write(secret(), "secret");
  }
  ~Playground() { ORCH_CHECK(remove_tree(path_).ok()); }

  std::string root() const { return path_ + "/root"; }
  std::string archive() const { return path_ + "/archive"; }
  void write(const std::string& path, std::string_view content) const {
    FILE* file = fopen(path.c_str(), "we");
    ORCH_CHECK(file && (content.empty() ||  // Then there may be no address to give.
                        fwrite(content.data(), 1, content.size(), file) == content.size()));
    fclose(file);
  }
  void check_untouched() const {
    ORCH_CHECK(names_in(path_) == 3 && names_in(path_ + "/outside") == 1);
    const auto text = read_file(secret());
    ORCH_CHECK(text.ok() && *text == "secret");
    ORCH_CHECK(std::filesystem::hard_link_count(secret()) == 1);
  }

 private:
  std::string secret() const { return path_ + "/outside/secret"; }
  static int names_in(const std::string& folder) {
    int count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
    return count;
  }
  std::string path_;
};

}  // namespace orch::fuzz
