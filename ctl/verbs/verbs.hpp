#pragma once

#include "ctl/context.hpp"

/// The verbs, one function each, in a file a family: the mirror of daemon/serve/handlers.
namespace dixis::ctl {

// look.cpp: questions
Answer<ExitCode> list(const Context& context);
Answer<ExitCode> describe(const Context& context);
Answer<ExitCode> ping(const Context& context);
Answer<ExitCode> version(const Context& context);
/// `__apps`: the names of all apps, a line each, for completion. Says nothing where it can't.
Answer<ExitCode> app_names(const Context& context);

// health.cpp: deaths and probes
Answer<ExitCode> why(const Context& context);
Answer<ExitCode> probe(const Context& context);

// operate.cpp: what changes running apps
Answer<ExitCode> start(const Context& context);
Answer<ExitCode> stop(const Context& context);
Answer<ExitCode> restart(const Context& context);
Answer<ExitCode> reload(const Context& context);
Answer<ExitCode> scale(const Context& context);
Answer<ExitCode> send_signal(const Context& context);

// log_files.cpp
Answer<ExitCode> flush(const Context& context);
/// `logs --reopen`
Answer<ExitCode> reopen_logs(const Context& context);

// configure.cpp: what changes the configuration
Answer<ExitCode> load(const Context& context);
Answer<ExitCode> add(const Context& context);
Answer<ExitCode> remove(const Context& context);

// upgrade.cpp
Answer<ExitCode> upgrade(const Context& context);

// check.cpp
Answer<ExitCode> check(const Context& context);

// events.cpp
Answer<ExitCode> events(const Context& context);

// logs.cpp
Answer<ExitCode> logs(const Context& context);

// completion.cpp
Answer<ExitCode> completion(const Context& context);
/// The completion of "bash", "zsh" or "fish"; empty for any other shell.
std::string completion_script(std::string_view shell);

/// A usage failure of a verb: "stop: name an app, …".
Failure wrong_operands(const Context& context, std::string message);

// paths.cpp
/// The daemon runs in another directory: what it gets must not depend on ours.
Answer<std::string> absolute_path(const std::string& path);

// outcomes.cpp
/// Shows how a verb ended, slot by slot: done only if all went well and all of it is durable.
Answer<ExitCode> report(const Context& context, const boost::json::object& reply, bool waited);

}  // namespace dixis::ctl
