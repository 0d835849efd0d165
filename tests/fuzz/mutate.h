// Mutator: makes a new input out of old ones, by a seed alone, so that every run can be repeated.
// Mutations are of bytes (flips, ranges moved, doubled, dropped), of tokens (words and marks of the
// corpus put elsewhere), of numbers, and splices of two inputs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace orch::fuzz {

inline constexpr size_t kMaxInputBytes = 4096;

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : state_(seed) {}

  // Adds the words and marks of a seed to the dictionary.
  void learn(std::string_view seed);
  // A copy of `input` after one to eight mutations; `other` lends pieces. At most kMaxInputBytes.
  std::string mutate(std::string_view input, std::string_view other);
  uint64_t below(uint64_t bound);  // Uniform enough; bound > 0.

 private:
  uint64_t next();
  std::string_view piece_of(std::string_view text);
  std::string number();
  void mutate_once(std::string& input, std::string_view other);

  uint64_t state_;
  std::vector<std::string> dictionary_;
};

}  // namespace orch::fuzz
