#include "http/exchange.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

namespace orch::http {

ServerExchange::~ServerExchange() {
  if (!answered_) send(Response{500, {}, "the request was dropped without an answer\n"});
}

// Two answers to one request are a bug of the caller.
void ServerExchange::claim_answer() { ORCH_CHECK(!answered_.exchange(true)); }

void ServerExchange::send(Response response) {
  claim_answer();
  // At once when the handler answers within its call, which is the common and fast way.
  auto answer = [weak = connection_, response = std::move(response)]() mutable {
    if (const auto connection = weak.lock()) connection->answer(std::move(response));
  };
  boost::asio::dispatch(loop_->context, std::move(answer));
}

std::shared_ptr<Stream> ServerExchange::start_stream(Response head, size_t backlog_limit_bytes,
                                                     std::function<void()> on_closed) {
  claim_answer();
  auto stream = std::make_shared<ServerStream>(connection_, loop_, backlog_limit_bytes, !http10_);
  auto begin = [weak = connection_, stream, head = std::move(head),
                on_closed = std::move(on_closed)]() mutable {
    if (const auto connection = weak.lock()) {
      connection->begin_stream(std::move(stream), std::move(head), std::move(on_closed));
      return;
    }
    stream->set_gone();
    if (on_closed) on_closed();
  };
  boost::asio::post(loop_->context, std::move(begin));
  return stream;
}

void ServerExchange::upgrade(Response head, Upgrades::Run run) {
  claim_answer();
  auto begin = [weak = connection_, head = std::move(head), run = std::move(run)]() mutable {
    if (const auto connection = weak.lock())
      connection->begin_upgrade(std::move(head), std::move(run));
  };
  boost::asio::dispatch(loop_->context, std::move(begin));
}

}  // namespace orch::http
