// Bits flip in the files of a replicated log while its server is down.
#include <algorithm>
#include <filesystem>

#include "faults_fixture.h"

namespace orch::store {
namespace {

// Of a store that runs: what its files hold at the moment, also where one is being cut off.
// (fs::copy takes a file for unreadable that has become empty since it looked at its size.)
void copy_files(const std::string& from, const std::string& to) {
  namespace fs = std::filesystem;
  for (const auto& file : fs::recursive_directory_iterator(from)) {
    const std::string path = to + "/" + fs::relative(file.path(), from).string();
    ORCH_CHECK(file.is_directory() ? make_dirs(path, 0700).ok()
                                   : write_file_whole(path, *read_file(file.path())).ok());
  }
}

// Flips a bit here and there in each file of a log, and starts a server with it.
void flip_bits(const std::string& image, const Outcomes& outcomes) {
  namespace fs = std::filesystem;
  int starts = 0, refused = 0;
  const auto flip_at = [&](const std::string& name, size_t at, int bit) {
    Alone alone;
    fs::copy(image, alone.folder.path(), fs::copy_options::recursive);
    const std::string path = alone.folder.path() + "/raft/" + name;
    std::string bytes = *read_file(path);
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
    ORCH_CHECK(write_file_whole(path, bytes).ok());
    INFO("bit " << bit << " of byte " << at << " of " << name);
    ++starts;
    auto store = alone.open();
    if (!store.ok()) {
      INFO(store.status().message);
      CHECK(is_damaged(store.status()));
      ++refused;
      return;
    }
    outcomes.check(**store);
    (*store)->close();
  };
  for (const auto& file : fs::directory_iterator(image + "/raft")) {
    const std::string name = file.path().filename();
    const std::string bytes = *read_file(file.path());
    const size_t used = bytes.find_last_not_of('\0') + 1;  // npos + 1: nothing.
    const size_t stride = std::max<size_t>(1, used / 48) * static_cast<size_t>(every);
    for (size_t at = 0; at < used; at += stride) flip_at(name, at, static_cast<int>(at * 5 % 8));
    if (bytes.size() > used + 4096) flip_at(name, used + 4096, 3);
  }
  std::printf("%d flips, %d starts refused\n", starts, refused);
  CHECK(refused > starts / 4);
}

TEST_CASE("a flipped bit in a log that was closed is named, or does no harm") {
  Alone alone;
  Outcomes outcomes;
  auto store = *alone.open();
  work(*store, 0, 20, &outcomes);
  store->close();
  flip_bits(alone.folder.path(), outcomes);
}

TEST_CASE("a flipped bit in a log that was being written is named, or does no harm") {
  Alone alone;
  Outcomes outcomes;
  auto store = *alone.open();
  work(*store, 0, 20, &outcomes);
  TestFolder image;
  namespace fs = std::filesystem;
  copy_files(alone.folder.path(), image.path());
  for (const auto& file : fs::directory_iterator(image.path() + "/raft")) {
    const std::string name = file.path().filename();
    if (!name.starts_with("open-")) continue;
    const bool is_used = read_file(file.path())->find_first_not_of('\0') != std::string::npos;
    is_used ? fs::resize_file(file.path(), 128u << 10) : (void)fs::remove(file.path());
  }
  store->close();
  flip_bits(image.path(), outcomes);
}

}  // namespace
}  // namespace orch::store
