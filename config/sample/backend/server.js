'use strict';
// The shop's backend: a few answers over HTTP. PORT and HOST come from the environment.

const http = require('node:http');

const host = process.env.HOST || '127.0.0.1';
const port = Number(process.env.PORT || 8001);

const answers = {
  '/api/healthz': { status: 'ok' },
  '/api/goods': [{ id: 'bread' }, { id: 'honey' }, { id: 'oil' }],
};

const server = http.createServer((request, response) => {
  const answer = answers[request.url.split('?')[0]];
  response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(answer ?? { error: 'not found' }) + '\n');
});

server.listen(port, host, () => console.log(`backend listens on ${host}:${port}`));

process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
