#include "mutate.h"

#include <algorithm>
#include <cctype>

namespace orch::fuzz {
namespace {

constexpr size_t kMaxDictionary = 4096;
constexpr size_t kMaxPieceBytes = 64;

bool word_byte(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

}  // namespace

uint64_t Mutator::next() {  // splitmix64
  uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

uint64_t Mutator::below(uint64_t bound) { return next() % bound; }

void Mutator::learn(std::string_view seed) {
  for (size_t at = 0; at < seed.size() && dictionary_.size() < kMaxDictionary;) {
    size_t end = at + 1;
    if (word_byte(seed[at]))
      while (end < seed.size() && end - at < kMaxPieceBytes && word_byte(seed[end])) ++end;
    const std::string token(seed.substr(at, end - at));
    if (std::find(dictionary_.begin(), dictionary_.end(), token) == dictionary_.end())
      dictionary_.push_back(token);
    at = end;
  }
}

std::string_view Mutator::piece_of(std::string_view text) {
  if (text.empty()) return text;
  return text.substr(below(text.size()), 1 + below(kMaxPieceBytes));
}

// Numbers that stand at the edges of the types which read them.
std::string Mutator::number() {
  static constexpr int64_t edges[] = {0,          1,           127,       255,       32768, 65535,
                                      2147483647, -2147483648, INT64_MAX, INT64_MIN, 1000,  1024};
  const int64_t n = edges[below(std::size(edges))];
  const int64_t shift = static_cast<int64_t>(below(3)) - 1;
  // Through unsigned, so that the step over either end is defined.
  return std::to_string(static_cast<int64_t>(static_cast<uint64_t>(n) + shift));
}

void Mutator::mutate_once(std::string& input, std::string_view other) {
  const size_t at = below(input.size() + 1);
  const size_t length = 1 + below(std::min<size_t>(kMaxPieceBytes, input.size() + 1));
  const size_t left = input.size() - at;
  switch (below(12)) {
    case 0:
      if (left) input[at] ^= static_cast<char>(1 << below(8));
      break;
    case 1:
      if (left) input[at] = static_cast<char>(below(256));
      break;
    case 2:
      input.insert(at, 1, static_cast<char>(below(256)));
      break;
    case 3:
      input.erase(at, length);
      break;
    case 4:
      input.erase(at, 1);
      break;
    case 5:  // A piece of itself, somewhere else.
      input.insert(at, std::string(piece_of(input)));
      break;
    case 6:
      input.replace(at, std::min(left, length), std::string(piece_of(other)));
      break;
    case 7:
      if (!dictionary_.empty()) input.insert(at, dictionary_[below(dictionary_.size())]);
      break;
    case 8:
      if (!dictionary_.empty())
        input.replace(at, std::min(left, length), dictionary_[below(dictionary_.size())]);
      break;
    case 9:
      input.replace(at, std::min<size_t>(left, below(4)), number());
      break;
    case 10:  // Many of the same: depth and length limits.
      input.insert(at, std::string(1 + below(300), left ? input[at] : '['));
      break;
    default:  // The head of one, the tail of the other.
      input.resize(at);
      if (!other.empty()) input += other.substr(below(other.size()));
  }
}

std::string Mutator::mutate(std::string_view input, std::string_view other) {
  std::string result(input);
  for (uint64_t left = 1 + below(8); left > 0; --left) mutate_once(result, other);
  if (result.size() > kMaxInputBytes) result.resize(kMaxInputBytes);
  return result;
}

}  // namespace orch::fuzz
