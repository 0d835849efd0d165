// Strategic merge against a slow and obvious model: a pod's spec as a flat map from paths to
// values, where a patch sets some paths and cuts others off with all that is below them.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "api/patch.h"
#include "api/schema.h"
#include "base/strings.h"

namespace orch::api {
namespace {

// "containers/a/env/X/value" → "1". What has a name of its own is there itself, with "".
using Flat = std::map<std::string, std::string>;

bool is_list(std::string_view name) { return name == "containers" || name == "env"; }
bool is_item(const std::vector<std::string_view>& steps, size_t at) {
  return at > 0 && is_list(steps[at - 1]);
}

void flatten(const Value& value, const std::string& path, Flat* out) {
  if (value.is_array()) {
    for (const Value& item : value.items()) {
      const std::string here = path + item["name"].as_string();
      (*out)[here] = "";
      flatten(item, here + "/", out);
    }
    return;
  }
  for (const Value::Member& member : value.members()) {
    if (member.name == "name") continue;
    const std::string here = path + member.name;
    if (member.value.is_string()) {
      (*out)[here] = member.value.as_string();
    } else {
      flatten(member.value, here + "/", out);
    }
  }
}

// The object, map or item in which the last step of a path is to be written, made where it is not.
Value* place_of(Value* root, const std::vector<std::string_view>& steps) {
  Value* value = root;
  for (size_t i = 0; i + 1 < steps.size(); ++i) {
    if (!is_item(steps, i)) {
      value = &(*value)[steps[i]];
      if (value->is_null()) *value = is_list(steps[i]) ? Value::array() : Value::object();
      continue;
    }
    Value* item = nullptr;
    for (Value& one : value->array_items()) {
      if (std::as_const(one)["name"].as_string() == steps[i]) item = &one;
    }
    value = item != nullptr ? item : &value->push_back(Value::object({{"name", steps[i]}}));
  }
  return value;
}

Value build(const Flat& flat) {
  Value root = Value::object();
  for (const auto& [path, text] : flat) {
    const auto steps = split(path, '/');
    Value* place = place_of(&root, steps);
    if (is_item(steps, steps.size() - 1)) {
      place->push_back(Value::object({{"name", steps.back()}}));
    } else {
      place->set(steps.back(), text);
    }
  }
  return root;
}

class Story {
 public:
  explicit Story(uint32_t seed) : random_(seed) {}

  Flat document() {
    Flat flat;
    for (int n = below(8); n > 0; --n) set(&flat, leaf(), value());
    return flat;
  }

  // A patch that sets and cuts; done to `model` as well.
  Value patch(Flat* model) {
    Value patch = Value::object();
    std::set<std::string> cuts;
    for (int n = below(3); n > 0; --n) cuts.insert(branch());
    std::map<std::string, std::string> sets;
    for (int n = below(5); n > 0; --n) sets[leaf()] = value();
    const auto is_cut = [&](const std::string& path) {
      return std::any_of(cuts.begin(), cuts.end(), [&](const std::string& cut) {
        return path == cut || path.starts_with(cut + "/");
      });
    };
    for (const auto& [path, text] : sets) {
      if (is_cut(path)) continue;
      const auto steps = split(path, '/');
      place_of(&patch, steps)->set(steps.back(), text);
      set(model, path, text);
    }
    for (const std::string& cut : cuts) {
      std::erase_if(*model, [&](const auto& one) {
        return one.first == cut || one.first.starts_with(cut + "/");
      });
    }
    for (const std::string& cut : cuts) {
      // Of two, one inside of the other, the outer one is said alone.
      const bool inside = std::any_of(cuts.begin(), cuts.end(), [&](const std::string& other) {
        return cut.starts_with(other + "/");
      });
      if (inside) continue;
      say_cut(&patch, cut);
      set(model, cut, std::nullopt);  // What leads to it is there afterwards.
    }
    return patch;
  }

 private:
  int below(int bound) { return static_cast<int>(random_() % static_cast<uint32_t>(bound)); }
  std::string value() { return std::to_string(below(4)); }
  std::string container() { return below(2) ? "containers/a" : "containers/b"; }

  std::string leaf() {
    switch (below(5)) {
      case 0:
        return "dnsPolicy";
      case 1:
        return std::string("nodeSelector/") + (below(2) ? "k" : "l");
      case 2:
        return container() + "/image";
      default:
        return container() + "/env/" + (below(2) ? "X" : "Y") + "/value";
    }
  }
  std::string branch() {
    switch (below(4)) {
      case 0:
        return container();
      case 1:
        return container() + "/env/" + (below(2) ? "X" : "Y");
      default:
        return leaf();
    }
  }

  // With every item on the way. No text: only those.
  static void set(Flat* flat, const std::string& path, std::optional<std::string> text) {
    const auto steps = split(path, '/');
    std::string here;
    for (size_t i = 0; i + 1 < steps.size(); ++i) {
      here += (i ? "/" : "") + std::string(steps[i]);
      if (is_item(steps, i)) flat->emplace(here, "");
    }
    if (text) (*flat)[path] = *text;
  }

  static void say_cut(Value* patch, const std::string& path) {
    const auto steps = split(path, '/');
    Value* place = place_of(patch, steps);
    if (!is_item(steps, steps.size() - 1)) {
      place->set(steps.back(), nullptr);
    } else {
      place->push_back(Value::object({{"name", steps.back()}, {"$patch", "delete"}}));
    }
  }

  std::mt19937 random_;
};

TEST_CASE("a strategic merge does what the plain model does") {
  const Type& type = *Schema::builtin().find_type("core/v1.PodSpec");
  for (uint32_t seed = 1; seed <= 3000; ++seed) {
    Story story(seed);
    Flat model = story.document();
    Value live = build(model);
    for (int step = 0; step < 6; ++step) {
      const Value patch = story.patch(&model);
      INFO("seed " << seed << " step " << step << "\n" << to_json(live) << "\n" << to_json(patch));
      auto patched = apply_strategic_patch(type, live, patch);
      REQUIRE(patched.ok());
      live = *std::move(patched);
      Flat got;
      flatten(live, "", &got);
      REQUIRE(got == model);
    }
  }
}

}  // namespace
}  // namespace orch::api
