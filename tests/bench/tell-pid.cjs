'use strict';
// Preloaded into the benchmarked site: each answer says which process it is from.
const http = require('node:http');

const { emit } = http.Server.prototype;
http.Server.prototype.emit = function (name, request, response) {
  if (name === 'request') response.setHeader('x-pid', process.pid);
  return emit.apply(this, arguments);
};
