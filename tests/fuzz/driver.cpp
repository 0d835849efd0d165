// The main() of every fuzz target: mutates a small corpus by a seed and feeds it to
// LLVMFuzzerTestOneInput, the entry that libFuzzer uses as well.
//
//   fuzz_x [--seed=N] [--runs=N] [--seconds=N] [--cpu-seconds=N] CORPUS_DIR...
//                         ends at whichever limit comes first; CPU seconds are this process's own
//   fuzz_x FILE...                                             runs these inputs, once each
//
// Why not libFuzzer: no clang of Debian 12 compiles every room (14 lacks coroutines over
// libstdc++ 12, 19 refuses RapidJSON 1.1), and g++ has no libFuzzer. It does have
// -fsanitize-coverage=trace-pc: in a build with ORCH_FUZZ this driver keeps each input that reaches
// new code and goes on from there. Without it, it only varies the corpus: a short smoke run.
//
// A crash, failed check, sanitizer report or hang leaves the input in ./crash-<target>-<hash>.
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/strings.h"
#include "mutate.h"

extern "C" {
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());
// Undefined behaviour ends the run, as a crash does.
const char* __ubsan_default_options() { return "halt_on_error=1:print_stacktrace=1"; }
}

namespace {

constexpr int kHangSeconds = 20;  // Of the processor: a busy machine is no hang.
constexpr size_t kMaxCorpus = 20'000;

// --- Coverage -------------------------------------------------------------------------------

constexpr size_t kMapSize = 1 << 16;
uint8_t hits[kMapSize];  // By block, in this run.
uint8_t seen[kMapSize];  // Which orders of magnitude of hits were seen so far, a bit each.

// True when this run reached a block for the first time, or clearly more often than before.
bool take_new_coverage() {
  bool found = false;
  for (size_t at = 0; at < kMapSize; at += sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, hits + at, sizeof word);
    if (word == 0) continue;
    for (size_t i = at; i < at + sizeof word; ++i) {
      if (hits[i] == 0) continue;
      const uint8_t magnitude = 1 << (31 - __builtin_clz(hits[i]));
      found |= !(seen[i] & magnitude);
      seen[i] |= magnitude;
    }
  }
  memset(hits, 0, sizeof hits);
  return found;
}

// --- Leaving the input behind -----------------------------------------------------------------

std::string current;  // The input that is being run.
char crash_path[256];
const char* target_name = "fuzz";

// Only calls that a signal handler may make.
void save_input() {
  const int fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return;
  [[maybe_unused]] ssize_t written = write(fd, current.data(), current.size());
  close(fd);
  written = write(STDERR_FILENO, "input saved as ", 15);
  written = write(STDERR_FILENO, crash_path, strlen(crash_path));
  written = write(STDERR_FILENO, "\n", 1);
}

}  // namespace

extern "C" void __ubsan_on_report() { save_input(); }

namespace {

void on_signal(int signal_number) {
  save_input();
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

void watch_for_crashes() {
  for (const int n : {SIGABRT, SIGPROF}) signal(n, on_signal);
  if (__sanitizer_set_death_callback) {
    __sanitizer_set_death_callback(save_input);
    return;  // It reports the rest itself, with a stack.
  }
  for (const int n : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) signal(n, on_signal);
}

void run_one(std::string input) {
  current = std::move(input);
  const size_t hash = std::hash<std::string>()(current);
  snprintf(crash_path, sizeof crash_path, "crash-%s-%016zx", target_name, hash);
  // A copy of the exact size, so that a read beyond its end is one beyond a block.
  const std::vector<uint8_t> exact(current.begin(), current.end());
  const itimerval hang{{0, 0}, {kHangSeconds, 0}};
  setitimer(ITIMER_PROF, &hang, nullptr);
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

// --- The loop ---------------------------------------------------------------------------------

struct Options {
  uint64_t seed = 1;
  int64_t runs = INT64_MAX;
  int64_t seconds = 1'000'000'000;  // 31 years: added to any clock it is still a time.
  int64_t cpu_seconds = INT64_MAX;
  std::vector<std::string> files, folders;
};

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view text = argv[i];
    const auto value = [&](std::string_view name) {
      return text.starts_with(name) ? orch::parse_int(text.substr(name.size())) : std::nullopt;
    };
    if (const auto seed = value("--seed=")) {
      options.seed = static_cast<uint64_t>(*seed);
    } else if (const auto runs = value("--runs=")) {
      options.runs = *runs;
    } else if (const auto seconds = value("--seconds=")) {
      options.seconds = *seconds;
    } else if (const auto cpu_seconds = value("--cpu-seconds=")) {
      options.cpu_seconds = *cpu_seconds;
    } else if (std::filesystem::is_directory(text)) {
      options.folders.emplace_back(text);
    } else {
      options.files.emplace_back(text);
    }
  }
  return options;
}

std::string read_input(const std::string& path) {
  auto text = orch::read_file(path);
  if (text.ok()) return *std::move(text);
  fprintf(stderr, "%s: %s\n", path.c_str(), text.status().message.c_str());
  exit(2);
}

std::vector<std::string> read_corpus(const std::vector<std::string>& folders) {
  std::vector<std::string> paths;
  for (const std::string& folder : folders)
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());  // The same order on every machine.
  std::vector<std::string> corpus{""};
  for (const std::string& path : paths) corpus.push_back(read_input(path));
  return corpus;
}

int64_t cpu_seconds() { return static_cast<int64_t>(clock() / CLOCKS_PER_SEC); }

int64_t fuzz(const Options& options, std::vector<std::string>& corpus) {
  orch::fuzz::Mutator mutator(options.seed);
  for (const std::string& seed : corpus) {
    mutator.learn(seed);
    run_one(seed);
    take_new_coverage();
  }
  const auto end = orch::system_clock().monotonic() + std::chrono::seconds(options.seconds);
  int64_t runs = 0;
  while (runs < options.runs && orch::system_clock().monotonic() < end &&
         cpu_seconds() < options.cpu_seconds) {
    const std::string& from = corpus[mutator.below(corpus.size())];
    run_one(mutator.mutate(from, corpus[mutator.below(corpus.size())]));
    ++runs;
    if (take_new_coverage() && corpus.size() < kMaxCorpus) corpus.push_back(current);
  }
  return runs;
}

}  // namespace

// Called at every basic block of a build with ORCH_FUZZ.
extern "C" __attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_pc() {
  const auto pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  // Relative to this code, so that the same seed takes the same way in every process.
  const uintptr_t offset = pc - reinterpret_cast<uintptr_t>(&__sanitizer_cov_trace_pc);
  uint8_t& count = hits[(offset * 0x9e3779b97f4a7c15) >> 48];
  if (count < 255) ++count;
}

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  const char* slash = strrchr(argv[0], '/');
  target_name = slash ? slash + 1 : argv[0];
  watch_for_crashes();
  for (const std::string& file : options.files) run_one(read_input(file));
  if (!options.files.empty()) return 0;

  std::vector<std::string> corpus = read_corpus(options.folders);
  printf("%s: seed %llu, %zu seeds\n", target_name, static_cast<unsigned long long>(options.seed),
         corpus.size());
  fflush(stdout);
  const int64_t runs = fuzz(options, corpus);
  printf("%s: %lld runs in %lld s of CPU, %zu inputs kept, no finding\n", target_name,
         static_cast<long long>(runs), static_cast<long long>(cpu_seconds()), corpus.size());
}
