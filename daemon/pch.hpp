// The headers whose parsing costs the most, once for all layers of the daemon.
#pragma once

#include <chrono>
#include <coroutine>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio.hpp>
#include <boost/json.hpp>
