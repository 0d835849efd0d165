#include "server/apiserver/proxy_rewrite.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"

namespace orch::apiserver {
namespace {

// HTML's attributes that hold one address each, by element.
struct AddressAttribute {
  std::string_view element, attribute;
};
constexpr AddressAttribute kAddresses[] = {
    {"a", "href"},          {"applet", "codebase"},   {"area", "href"},
    {"audio", "src"},       {"base", "href"},         {"blockquote", "cite"},
    {"body", "background"}, {"button", "formaction"}, {"command", "icon"},
    {"del", "cite"},        {"embed", "src"},         {"form", "action"},
    {"frame", "longdesc"},  {"frame", "src"},         {"head", "profile"},
    {"html", "manifest"},   {"iframe", "longdesc"},   {"iframe", "src"},
    {"img", "longdesc"},    {"img", "src"},           {"img", "usemap"},
    {"input", "src"},       {"input", "usemap"},      {"input", "formaction"},
    {"ins", "cite"},        {"link", "href"},         {"object", "classid"},
    {"object", "codebase"}, {"object", "data"},       {"object", "usemap"},
    {"q", "cite"},          {"script", "src"},        {"source", "src"},
    {"video", "poster"},    {"video", "src"},
};

bool holds_address(std::string_view element, std::string_view attribute) {
  return std::any_of(std::begin(kAddresses), std::end(kAddresses), [&](const auto& row) {
    return row.element == element && row.attribute == attribute;
  });
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Walks a page and copies it, less the addresses that are rewritten.
class Page {
 public:
  Page(std::string_view text, const ProxyOrigin& origin) : text_(text), origin_(origin) {}

  std::string rewritten() {
    while (at_ < text_.size()) {
      const size_t open = std::min(text_.find('<', at_), text_.size());
      copy_to(open);
      if (at_ < text_.size()) markup();
    }
    return std::move(out_);
  }

 private:
  void copy_to(size_t end) {
    out_ += text_.substr(at_, end - at_);
    at_ = end;
  }
  void copy_past(std::string_view mark) {
    const size_t found = text_.find(mark, at_);
    copy_to(found == text_.npos ? text_.size() : found + mark.size());
  }
  bool more() const { return at_ < text_.size(); }

  void markup() {
    if (text_.substr(at_).starts_with("<!--")) return copy_past("-->");
    const bool tag = at_ + 1 < text_.size() && is_letter(text_[at_ + 1]);
    if (!tag) return copy_to(at_ + 1);
    const size_t name = at_ + 1;
    size_t end = name;
    while (end < text_.size() && !is_space(text_[end]) && text_[end] != '>' && text_[end] != '/')
      ++end;
    const std::string element = to_lower(text_.substr(name, end - name));
    copy_to(end);
    while (more() && text_[at_] != '>') attribute(element);
    // What these hold is no markup.
    if (element == "script" || element == "style") copy_until_end_of(element);
  }

  void copy_until_end_of(const std::string& element) {
    size_t at = at_;
    while ((at = text_.find("</", at)) != text_.npos) {
      if (to_lower(text_.substr(at + 2, element.size())) == element) return copy_to(at);
      at += 2;
    }
    copy_to(text_.size());
  }

  void attribute(const std::string& element) {
    if (is_space(text_[at_]) || text_[at_] == '/') return copy_to(at_ + 1);
    size_t end = at_ + 1;
    while (end < text_.size() && !is_space(text_[end]) && text_[end] != '=' && text_[end] != '>')
      ++end;
    const std::string name = to_lower(text_.substr(at_, end - at_));
    copy_to(end);
    size_t equals = at_;
    while (equals < text_.size() && is_space(text_[equals])) ++equals;
    if (equals == text_.size() || text_[equals] != '=') return;
    size_t begin = equals + 1;
    while (begin < text_.size() && is_space(text_[begin])) ++begin;
    if (begin == text_.size()) return copy_to(begin);
    const char quote = text_[begin] == '"' || text_[begin] == '\'' ? text_[begin] : '\0';
    if (quote) ++begin;
    copy_to(begin);
    size_t stop = begin;
    while (stop < text_.size() &&
           (quote ? text_[stop] != quote : !is_space(text_[stop]) && text_[stop] != '>'))
      ++stop;
    if (holds_address(element, name)) {
      out_ += rewrite_url(text_.substr(at_, stop - at_), origin_);
      at_ = stop;
    }
    copy_to(stop + (quote && stop < text_.size() ? 1 : 0));
  }

  const std::string_view text_;
  const ProxyOrigin& origin_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string rewrite_url(std::string_view url, const ProxyOrigin& origin) {
  std::string_view base, rest = url;  // "http://host" and "/path?query".
  const size_t scheme = url.find("://");
  const bool absolute = scheme != url.npos && scheme > 0 &&
                        std::all_of(url.begin(), url.begin() + static_cast<ptrdiff_t>(scheme),
                                    [](char c) { return is_letter(c); });
  if (absolute || url.starts_with("//")) {
    const size_t host = absolute ? scheme + 3 : 2;
    const size_t path = std::min(url.find_first_of("/?#", host), url.size());
    base = url.substr(0, path);
    rest = url.substr(path);
    const std::string_view name = base.substr(host);
    if (name != origin.far && name != origin.near) return std::string(url);
    if (name == origin.far) base = {};  // The caller can't reach it; the proxy's own he can.
  }
  if (!rest.starts_with('/')) return std::string(url);
  if (rest.starts_with(origin.prefix)) return std::string(base) + std::string(rest);
  return std::string(base) + origin.prefix + std::string(rest);
}

std::string rewrite_html(std::string_view page, const ProxyOrigin& origin) {
  return Page(page, origin).rewritten();
}

}  // namespace orch::apiserver
