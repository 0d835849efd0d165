// One server of a replicated store as a process of its own, that a test may kill. It takes orders
// as lines on its standard input and answers each with a line that begins with the order's number:
//
//   <n> write <key> <text>            → <n> ok <revision> | <n> failed <code>
//   <n> change <kind> <server> <at>   → <n> ok 0 | <n> failed <code>
//   <n> state                         → <n> ok <hash of the whole state, after a look around>
//   <n> get <key>                     → <n> ok <revision and text, "-" when there is none>
//   <n> leader                        → <n> ok <the leader's id; 0: nobody known>
//   <n> load <writers> <bytes> <ms>   → <n> ok <writes per second> <p50 us> <p99 us> <longest us>
//   <n> fill <objects> <bytes>        → <n> ok
//
//   replica_server FOLDER ID [begins]
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <semaphore>
#include <sstream>
#include <vector>

#include "base/log.h"
#include "unix_streams.h"

namespace orch::replica {
namespace {

constexpr std::string_view kHead = R"({"metadata":{"resourceVersion":")";
constexpr std::string_view kMiddle = R"("},"data":")";

store::Write write_of(std::string key, const std::string& text) {
  store::Write write;
  write.key = std::move(key);
  write.bytes = std::string(kHead) + std::string(kMiddle) + text + "\"}";
  write.revision_at = kHead.size();
  return write;
}

void answer(const std::string& number, const std::string& text) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::printf("%s %s\n", number.c_str(), text.c_str());
  std::fflush(stdout);
}

uint64_t hash_of(const store::Store& store) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a.
  const auto add = [&hash](std::string_view text) {
    for (const char each : text) hash = (hash ^ static_cast<unsigned char>(each)) * 1099511628211u;
  };
  const auto all = store.range({});
  for (const store::RecordPtr& record : all->records) {
    add(record->key);
    add(record->bytes);
    add(std::to_string(record->create_revision) + " " + std::to_string(record->row));
  }
  add(std::to_string(all->revision));
  return hash;
}

// Writers that each write, wait and write again; every one has ten keys of its own.
std::string load(store::Store& store, int writers, size_t bytes, int64_t ms) {
  const std::string text(bytes, 'x');
  const MonoTime end = system_clock().monotonic() + std::chrono::milliseconds(ms);
  std::vector<std::vector<int64_t>> took_us(static_cast<size_t>(writers));
  struct Writer {
    std::string key;
    MonoTime asked;
    int count = 0;
  };
  std::vector<Writer> all(static_cast<size_t>(writers));
  std::atomic<int> running{writers};
  std::promise<void> over;
  // Each next write is asked for where the last one was answered, as a server's connections do.
  std::function<void(size_t)> next = [&](size_t i) {
    Writer& writer = all[i];
    writer.asked = system_clock().monotonic();
    if (writer.asked >= end) {
      if (--running == 0) over.set_value();
      return;
    }
    const std::string key =
        "/load/" + std::to_string(i) + "/" + std::to_string(writer.count++ % 10);
    store.commit(write_of(key, text), [&, i](const Result<store::Committed>& done) {
      const auto took = system_clock().monotonic() - all[i].asked;
      if (done.ok()) {
        took_us[i].push_back(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
      }
      next(i);
    });
  };
  for (size_t i = 0; i < all.size(); ++i) next(i);
  over.get_future().wait();
  std::vector<int64_t> sorted;
  for (const auto& each : took_us) sorted.insert(sorted.end(), each.begin(), each.end());
  std::ranges::sort(sorted);
  if (sorted.empty()) return "0 0 0 0";
  const auto at = [&](size_t percent) {
    return std::to_string(sorted[(sorted.size() - 1) * percent / 100]);
  };
  return std::to_string(static_cast<int64_t>(sorted.size()) * 1000 / ms) + " " + at(50) + " " +
         at(99) + " " + at(100);
}

void fill(store::Store& store, int objects, size_t bytes) {
  // Shared, for who answers may still be inside release() when we have it.
  const auto room = std::make_shared<std::counting_semaphore<256>>(256);
  for (int i = 0; i < objects; ++i) {
    room->acquire();
    store.commit(write_of("/fill/" + std::to_string(i), std::string(bytes, 'x')),
                 [room](const Result<store::Committed>& done) {
                   ORCH_CHECK(done.ok());
                   room->release();
                 });
  }
  for (int i = 0; i < 256; ++i) room->acquire();
}

void obey(store::Store& store, const std::string& line) {
  std::istringstream in(line);
  std::string number, order;
  in >> number >> order;
  const auto failed = [](const Status& status) { return "failed " + std::to_string(status.code); };
  if (order == "write") {
    std::string key, text;
    in >> key >> text;
    const auto done = [number, failed](const Result<store::Committed>& result) {
      answer(number,
             result.ok() ? "ok " + std::to_string(result->revision) : failed(result.status()));
    };
    store.commit(write_of(key, text), done);
  } else if (order == "change") {
    int kind = 0;
    store::MemberChange change;
    in >> kind >> change.server >> change.address;
    change.kind = static_cast<store::MemberChange::Kind>(kind);
    store.change_members(change, [number, failed](const Result<void>& result) {
      answer(number, result.ok() ? "ok 0" : failed(result.status()));
    });
  } else if (order == "state") {
    store.sync([&store, number, failed](const Result<void>& result) {
      answer(number,
             result.ok() ? "ok " + std::to_string(hash_of(store)) : failed(result.status()));
    });
  } else if (order == "get") {
    std::string key;
    in >> key;
    const store::RecordPtr record = store.get(key);
    if (!record) return answer(number, "ok -");
    const std::string_view bytes = record->bytes;
    const size_t from = bytes.find(kMiddle) + kMiddle.size();
    answer(number, "ok " + std::to_string(record->revision) + " " +
                       std::string(bytes.substr(from, bytes.size() - 2 - from)));
  } else if (order == "leader") {
    answer(number, "ok " + std::to_string(store.leadership().leader));
  } else if (order == "load") {
    int writers = 0;
    size_t bytes = 0;
    int64_t ms = 0;
    in >> writers >> bytes >> ms;
    answer(number, "ok " + load(store, writers, bytes, ms));
  } else if (order == "fill") {
    int objects = 0;
    size_t bytes = 0;
    in >> objects >> bytes;
    fill(store, objects, bytes);
    answer(number, "ok filled");
  }
}

int run(const std::string& folder, uint64_t id, bool begins) {
  log::set_level(log::Level::warning);
  UnixStreams streams(folder, id);
  const store::Replication replication{
      .server = id, .address = streams.path_of(id), .begins = begins, .streams = &streams};
  store::Options options;
  options.directory = folder + "/" + std::to_string(id);
  options.replication = &replication;
  auto store = store::Store::open(options, [](auto, auto) { return store::Tags(); });
  if (!store) {
    std::fprintf(stderr, "%s\n", store.status().message.c_str());
    return 1;
  }
  streams.serve(&**store);
  answer("0", "ok");
  for (std::string line; std::getline(std::cin, line);) obey(**store, line);
  streams.stop();
  (*store)->close();
  return 0;
}

}  // namespace
}  // namespace orch::replica

int main(int count, char** values) {
  if (count < 3) return 2;
  return orch::replica::run(values[1], std::stoull(values[2]), count > 3);
}
