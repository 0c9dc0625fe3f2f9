// The headers whose parsing costs the most, once for the client.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "common/json.hpp"
#include "common/model.hpp"
