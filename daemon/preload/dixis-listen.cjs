'use strict';
// The adopter: preloaded (NODE_OPTIONS --require) into each Node process of an app for which dixisd
// holds sockets. A server that is told to listen on one of them takes that socket instead of binding:
// first it answers only at a private one, where dixisd proves it, and when told it takes connections
// from the held one. README.md tells the whole. Public API of Node 18 and later only.

const IDLE_MS = 1000; // a connection that has been still for so long is ended while draining
const LOOK_MS = 100;
const RECONNECT_MS = 500;

function main(given) {
  const { control, own, sockets } = given;
  const net = require('node:net');
  const http = require('node:http');
  const https = require('node:https');
  const tls = require('node:tls');
  const fs = require('node:fs');
  const os = require('node:os');
  const path = require('node:path');
  const cluster = require('node:cluster');
  const { randomBytes } = require('node:crypto');
  const listen = net.Server.prototype.listen;

  const adopted = []; // one entry a server
  let joined = false;
  let draining = false;
  let failure = '';

  // --- the channel to dixisd ---------------------------------------------------------------------

  let channel;
  let waiting; // the timer of the next attempt

  function state() {
    const left = draining && adopted.every((one) => one.left);
    const up = adopted.length > 0 && adopted.every((one) => one.ready);
    return { adopted: up, joined, left, open: open(), failure };
  }

  function tell(then) {
    if (!channel || channel.connecting) return connect(then);
    channel.write(JSON.stringify(state()) + '\n', then);
  }

  function connect(then) {
    clearTimeout(waiting);
    if (channel) {
      if (then) channel.once('connect', then).once('close', then);
      return;
    }
    let heard = '';
    channel = net.connect(control);
    channel.unref();
    channel.setEncoding('utf8');
    channel.on('error', () => {});
    channel.on('connect', () => tell(then));
    channel.on('data', (text) => {
      heard += text;
      for (let end = heard.indexOf('\n'); end >= 0; end = heard.indexOf('\n')) {
        obey(heard.slice(0, end));
        heard = heard.slice(end + 1);
      }
    });
    channel.on('close', () => {
      // dixisd was restarted: its successor listens at the same path.
      channel = undefined;
      if (then) then();
      then = undefined;
      if (adopted.length === 0) return;
      waiting = setTimeout(connect, RECONNECT_MS);
      waiting.unref();
    });
  }

  function obey(line) {
    const order = JSON.parse(line).do;
    if (order === 'join') join();
    if (order === 'drain') drain();
  }

  // --- taking a socket ---------------------------------------------------------------------------

  /// What the arguments of net.Server#listen ask for.
  function wanted(args) {
    const [first, second] = args;
    if (typeof first === 'number') return { port: first, host: typeof second === 'string' ? second : undefined };
    if (typeof first === 'string') {
      if (/^\d+$/.test(first)) return { port: Number(first), host: typeof second === 'string' ? second : undefined };
      return { path: first };
    }
    if (first === null || typeof first !== 'object' || first.fd !== undefined || first._handle) return undefined;
    if (first.path !== undefined) return { path: String(first.path) };
    return first.port === undefined || first.port === null
      ? undefined
      : { port: Number(first.port), host: first.host };
  }

  const ANYWHERE = ['', '::', '0.0.0.0'];

  function hosts_fit(held, host) {
    if (host === undefined || host === null || ANYWHERE.includes(host) || ANYWHERE.includes(held)) return true;
    return host === held || net.isIP(host) === 0; // of a name only its port is compared
  }

  function socket_for(want) {
    return sockets.find((held) => !held.taken && (want.path === undefined
      ? held.port === want.port && hosts_fit(held.host, want.host)
      : held.path && held.path === path.resolve(want.path)));
  }

  /// Why the descriptor can't be used; empty: it can.
  function flaw_of(fd, inode) {
    let facts;
    try {
      facts = fs.fstatSync(fd);
    } catch {
      facts = undefined;
    }
    if (cluster.isWorker) return "a worker of Node's cluster can't take it: set `instances` and start the server itself";
    if (facts && facts.isSocket() && String(facts.ino) === inode) return '';
    return `descriptor ${fd} has not come through: a program in between (npm, another Node) has closed it; ` +
      'let the command be the server itself';
  }

  net.Server.prototype.listen = function (...args) {
    const want = wanted(args);
    const held = want && socket_for(want);
    if (!held) return listen.apply(this, args);
    const callback = args.find((arg) => typeof arg === 'function');
    const flaw = flaw_of(held.fd, held.inode);
    if (flaw) {
      failure = flaw;
      // Its own bind is refused, and most programs end then: dixisd has to know why before.
      let went_on = false;
      const go_on = () => {
        if (!went_on) listen.apply(this, args);
        went_on = true;
      };
      tell(go_on);
      setTimeout(go_on, 1000);
      return this;
    }
    held.taken = true;
    adopt(this, held, callback);
    return this;
  };

  function address_of(held) {
    if (held.path) return held.path;
    const host = held.host || '::';
    return { address: host, family: net.isIPv6(host) ? 'IPv6' : 'IPv4', port: held.port };
  }

  function adopt(server, held, callback) {
    const entry = { server, held, ready: false, left: false, connections: new Map(), sessions: new Set() };
    const is_http = server instanceof http.Server || server instanceof https.Server;
    entry.is_http = is_http;
    entry.is_tls = server instanceof tls.Server;
    entry.shared = net.createServer({
      allowHalfOpen: is_http || server.allowHalfOpen === true,
      pauseOnConnect: server.pauseOnConnect === true,
      noDelay: true,
    });
    entry.shared.on('connection', (socket) => {
      if (!entry.is_tls) track(entry, socket);
      socket.once('close', () => report_soon());
      server.emit('connection', socket);
    });
    entry.shared.on('error', (error) => {
      failure = `it can't take connections from ${held.name}: ${error.message}`;
      tell();
    });
    watch(entry);
    adopted.push(entry);

    const first = adopted.length === 1;
    const private_path = path.join(os.tmpdir(), `dixis-${randomBytes(9).toString('hex')}`);
    server.once('listening', () => {
      if (!first) fs.unlinkSync(private_path); // only the first one is asked at its own socket
      entry.ready = true;
      if (joined) begin(entry);
      tell();
    });
    listen.call(server, first ? { fd: own, exclusive: true } : { path: private_path, exclusive: true }, callback);
  }

  /// Lets the server look as if it listened on the held socket, and as if what came from there were its own.
  function watch(entry) {
    const { server, held, shared } = entry;
    const { emit, close, ref, unref, getConnections } = server;
    server.address = () => (server.listening ? address_of(held) : null);
    server.ref = function () {
      if (shared.listening) shared.ref();
      return ref.call(this);
    };
    server.unref = function () {
      entry.unreferenced = true;
      shared.unref();
      return unref.call(this);
    };
    server.getConnections = function (done) {
      return getConnections.call(this, (error, own_ones) => {
        if (error) return done(error);
        shared.getConnections((problem, taken) => done(problem, own_ones + (taken || 0)));
      });
    };
    server.close = function (done) {
      leave(entry);
      return close.call(this, done);
    };
    server.emit = function (name, ...args) {
      if (name === 'request' || name === 'checkContinue' || name === 'checkExpectation') {
        begin_response(entry, args[0], args[1]);
      } else if (name === 'upgrade' || name === 'connect') {
        busy(entry, args[1]);
      } else if (name === 'secureConnection') {
        track(entry, args[0]);
      } else if (name === 'session') {
        begin_session(entry, args[0]);
      } else if (name === 'close' && entry.open > 0) {
        // Node counts its own connections only: the server is closed when those from here are, too.
        entry.when_empty = () => emit.call(this, name, ...args);
        return true;
      }
      return emit.call(this, name, ...args);
    };
    entry.open = 0;
    shared.on('connection', (socket) => {
      entry.open += 1;
      socket.once('close', () => {
        entry.open -= 1;
        if (entry.open === 0 && entry.when_empty) {
          const emit_close = entry.when_empty;
          entry.when_empty = undefined;
          emit_close();
        }
      });
    });
  }

  // --- what a connection is at --------------------------------------------------------------------

  function open() {
    return adopted.reduce((sum, entry) => sum + entry.open, 0);
  }

  function track(entry, socket) {
    if (entry.connections.has(socket)) return;
    // Of a protocol that isn't HTTP nobody here knows when a connection is at rest.
    const is_http = entry.is_http;
    entry.connections.set(socket, { responses: new Set(), held: !is_http, read: socket.bytesRead, since: Date.now() });
    socket.once('close', () => entry.connections.delete(socket));
  }

  function busy(entry, socket) {
    const connection = entry.connections.get(socket);
    if (connection) connection.held = true;
  }

  function begin_session(entry, session) {
    entry.sessions.add(session);
    session.once('close', () => entry.sessions.delete(session));
    if (draining) session.close();
  }

  function begin_response(entry, request, response) {
    const connection = entry.connections.get(request.socket);
    if (!connection) return;
    connection.responses.add(response);
    if (draining) last_of(response);
    response.once('close', () => {
      connection.responses.delete(response);
      connection.read = request.socket.bytesRead;
      connection.since = Date.now();
    });
  }

  function last_of(response) {
    if (!response.headersSent) response.setHeader('Connection', 'close');
  }

  /// Ends what is at rest. A request of which a byte has come is not cut: its connection has read more
  /// than when it came to rest.
  function end_idle() {
    const now = Date.now();
    for (const entry of adopted) {
      for (const [socket, connection] of entry.connections) {
        const at_rest = connection.responses.size === 0 && !connection.held && socket.bytesRead === connection.read;
        if (at_rest && now - connection.since >= IDLE_MS) socket.destroySoon();
      }
    }
  }

  // --- coming and going ----------------------------------------------------------------------------

  function begin(entry) {
    if (entry.left || entry.shared.listening) return;
    entry.shared.maxConnections = entry.server.maxConnections;
    entry.shared.listen({ fd: entry.held.fd, backlog: 4096, exclusive: true });
    if (entry.unreferenced) entry.shared.unref();
  }

  function leave(entry) {
    entry.left = true;
    if (entry.shared.listening) entry.shared.close();
  }

  function join() {
    if (draining) return;
    joined = true;
    adopted.forEach(begin);
    tell();
  }

  let reporting;
  function report_soon() {
    if (!draining || reporting) return;
    reporting = setImmediate(() => {
      reporting = undefined;
      tell();
    });
  }

  function drain() {
    if (!draining) {
      draining = true;
      const now = Date.now();
      for (const entry of adopted) {
        leave(entry);
        for (const session of entry.sessions) session.close();
        for (const connection of entry.connections.values()) {
          connection.since = Math.max(connection.since, now);
          connection.responses.forEach(last_of);
        }
      }
      // In the check phase: what had come by then has been read.
      setInterval(() => setImmediate(end_idle), LOOK_MS).unref();
    }
    tell();
  }

  connect(); // so that dixisd knows: here is a Node program, and it may yet listen
}

if (process.env.DIXIS_LISTEN) {
  let given;
  try {
    given = JSON.parse(process.env.DIXIS_LISTEN);
  } catch {
    given = undefined; // not what dixisd has written: nothing to do with us
  }
  if (given) main(given);
}
