#pragma once

#include <string>

#include "common/model.hpp"

namespace dixis {

/// The how and cause of a death in words for people, without its time and without a final stop:
/// "killed by SIGKILL, sent by bash (pid 219931, uid 1001, /usr/bin/bash)". Pure. It says what the
/// record holds and nothing else: what isn't known is called unknown.
///
/// `detail` is the fact behind the cause, and is used with each of them: for `verb` who asked
/// ("`dixisctl stop` (uid 0)"), for `unhealthy` what the probe answered, for `oom_app` the limit
/// and the peak, for `unknown` why it can't be known.
std::string death_message(const Death& death);

}  // namespace dixis
