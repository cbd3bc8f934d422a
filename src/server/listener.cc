// The only file that includes Asio and Beast: they cost seconds to compile.
#include "server/listener.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <set>
#include <thread>

#include "base/error.h"

namespace fathom::server {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using net::ip::tcp;

// Errors are values here: a client that leaves is an everyday thing.
constexpr auto kToken = net::as_tuple(net::use_awaitable);
// What one read takes in, and what is read away of a refused request so that its sender gets to see the answer.
constexpr size_t kReadBytes = 4096;
constexpr size_t kDrainedBytes = 1 << 20;
constexpr auto kDrainTime = std::chrono::seconds(1);
// Out of descriptors: what is open must close first.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

using Parser = http::request_parser<http::string_body>;

// The answer to a request that could not be read; 0: none, the client is gone or too slow.
int refusal_status(const error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) return 431;
  if (error == http::error::body_limit) return 413;
  if (error == http::error::end_of_stream || error == http::error::partial_message) return 0;
  return error.category() == http::make_error_code(http::error::bad_method).category() ? 400 : 0;
}

bool is_name_of(std::string_view host, const std::string& own) {
  const size_t colon = host.rfind(':');
  // Behind the last colon stands the port, unless the colon belongs to an address in brackets.
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) host = host.substr(0, colon);
  return host == "localhost" || host == own || host == "127.0.0.1" || host == "[::1]";
}

net::ip::address address_of(const std::string& host) {
  error_code error;
  const auto address = net::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
  if (error) throw Error(ErrorCode::kInvalidArgument, "is no address", host, "as 127.0.0.1, or 0.0.0.0 for all");
  return address;
}

struct Connection {
  explicit Connection(tcp::socket socket) : stream(std::move(socket)) {}

  beast::tcp_stream stream;
  beast::flat_buffer buffer;
  bool is_idle = false;
};

}  // namespace

class Listener::Impl {
 public:
  Impl(const ListenerParams& params, Router router)
      : params_(params), router_(std::move(router)), acceptor_(io_), stop_timer_(io_) {
    const tcp::endpoint endpoint(address_of(params.host), params.port);
    is_loopback_ = endpoint.address().is_loopback();
    try {
      acceptor_.open(endpoint.protocol());
      acceptor_.set_option(net::socket_base::reuse_address(true));
      acceptor_.bind(endpoint);
      acceptor_.listen();
      endpoint_ = acceptor_.local_endpoint();
    } catch (const boost::system::system_error& e) {
      throw Error(ErrorCode::kIo, "cannot listen: " + e.code().message(),
                  fmt::format("{}:{}", params.host, params.port), "choose another port");
    }
    net::co_spawn(io_, accept(), net::detached);
    thread_ = std::thread([this] { io_.run(); });
  }

  ~Impl() {
    net::post(io_, [this] { begin_stop(); });
    thread_.join();
  }

  const tcp::endpoint& endpoint() const { return endpoint_; }

  // As it stands in URLs.
  std::string host_text() const {
    const auto address = endpoint_.address();
    return address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
  }

 private:
  // Keeps a connection in the list for as long as its coroutine lives.
  class Registration {
   public:
    Registration(Impl& owner, Connection& connection) : owner_(owner), connection_(connection) {
      owner_.connections_.insert(&connection_);
    }
    ~Registration() {
      owner_.connections_.erase(&connection_);
      if (owner_.is_stopping_ && owner_.connections_.empty()) owner_.io_.stop();
    }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

   private:
    Impl& owner_;
    Connection& connection_;
  };

  net::awaitable<void> accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(kToken);
      if (!acceptor_.is_open()) co_return;
      if (error) {
        net::steady_timer timer(io_, kAcceptPause);
        co_await timer.async_wait(kToken);
        continue;
      }
      if (connections_.size() >= params_.connections) continue;  // the socket closes as it goes out of scope
      net::co_spawn(io_, serve(std::move(socket)), net::detached);
    }
  }

  net::awaitable<void> serve(tcp::socket socket) {
    Connection connection(std::move(socket));
    const Registration registration(*this, connection);
    while (!is_stopping_ && co_await exchange(connection)) {
    }
    co_await close(connection);
  }

  // One request and its answer; false when the connection is to end.
  net::awaitable<bool> exchange(Connection& c) {
    if (c.buffer.size() == 0) {
      c.is_idle = true;
      c.stream.expires_after(params_.idle_time);
      const auto [error, bytes] = co_await c.stream.async_read_some(c.buffer.prepare(kReadBytes), kToken);
      c.is_idle = false;
      if (error) co_return false;
      c.buffer.commit(bytes);
    }
    Parser parser;
    parser.header_limit(params_.header_bytes);
    parser.body_limit(params_.body_bytes);
    // One deadline for all of the request: a byte now and then does not move it.
    c.stream.expires_after(params_.request_time);
    const auto [error, bytes] = co_await http::async_read(c.stream, c.buffer, parser, kToken);
    const bool is_head = parser.get().method() == http::verb::head;
    if (error) {
      const int status = refusal_status(error);
      if (status > 0) co_await send(c, error_response(status, error.message()), parser, false);
      co_return false;
    }
    const bool keeps = parser.get().keep_alive() && !is_stopping_;
    co_return co_await send(c, answer(parser, is_head), parser, keeps) && keeps;
  }

  Response answer(Parser& parser, bool is_head) const {
    auto& message = parser.get();
    if (is_loopback_ && !is_name_of(message[http::field::host], host_text())) {
      return error_response(403, "the request names another host than this machine");
    }
    auto target = parse_target(message.target());
    if (!target) return error_response(400, "the request's target is malformed");
    return router_.answer({.method = is_head ? "GET" : std::string(message.method_string()),
                           .path = std::move(target->path),
                           .query = std::move(target->query),
                           .body = std::move(message.body())});
  }

  net::awaitable<bool> send(Connection& c, Response response, const Parser& parser, bool keeps) {
    http::response<http::string_body> message(static_cast<http::status>(response.status), parser.get().version());
    message.set(http::field::content_type, response.content_type);
    message.set("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : response.headers) message.set(name, value);
    message.keep_alive(keeps);
    message.content_length(response.body.size());
    if (parser.get().method() != http::verb::head) message.body() = std::move(response.body);
    c.stream.expires_after(params_.answer_time);
    const auto [error, bytes] = co_await http::async_write(c.stream, message, kToken);
    co_return !error;
  }

  // Closing a socket with unread bytes resets it, and the client may lose the answer that is on its way.
  net::awaitable<void> close(Connection& c) {
    error_code ignored;
    c.stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
    c.stream.expires_after(kDrainTime);
    c.buffer.clear();
    for (size_t drained = 0; drained < kDrainedBytes && !ignored && !is_stopping_;) {
      const auto [error, bytes] = co_await c.stream.async_read_some(c.buffer.prepare(kReadBytes), kToken);
      if (error) break;
      drained += bytes;
    }
    c.stream.close();
  }

  void begin_stop() {
    is_stopping_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    if (connections_.empty()) return io_.stop();
    for (Connection* c : connections_) {
      if (c->is_idle) c->stream.cancel();
    }
    stop_timer_.expires_after(params_.stop_time);
    stop_timer_.async_wait([this](const error_code& error) {
      if (!error) io_.stop();
    });
  }

  const ListenerParams params_;
  const Router router_;
  bool is_loopback_ = false;
  bool is_stopping_ = false;
  tcp::endpoint endpoint_;
  // Before `io_`, whose end destroys the coroutines that are left, and with them their registrations.
  std::set<Connection*> connections_;
  net::io_context io_{1};
  tcp::acceptor acceptor_;
  net::steady_timer stop_timer_;
  std::thread thread_;
};

Listener::Listener(const ListenerParams& params, Router router)
    : impl_(std::make_unique<Impl>(params, std::move(router))) {}

Listener::~Listener() = default;

uint16_t Listener::port() const { return impl_->endpoint().port(); }

std::string Listener::url() const { return fmt::format("http://{}:{}", impl_->host_text(), port()); }

}  // namespace fathom::server
