// Hands requests on and answers back, and changes nothing else: neither their order nor their spelling.
import http from 'node:http';

/** Listens on a free port. `onward` says of a request where it goes and with which headers, as of `http.request`. */
export async function startRelay(onward) {
  const server = http.createServer((request, response) => {
    const further = http.request({
      method: request.method, path: request.url, setHost: false, agent: false, ...onward(request),
    });
    further.on('response', (answer) => {
      response.writeHead(answer.statusCode, answer.rawHeaders);
      response.flushHeaders();
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    further.on('error', () => {
      if (!response.headersSent) response.writeHead(502);
      response.end();
    });
    // Who goes away, goes away on both sides.
    response.on('close', () => further.destroy());
    request.pipe(further);
  });
  server.on('connection', (socket) => socket.setNoDelay(true));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${server.address().port}`,
    stop: () => { server.closeAllConnections(); server.close(); },
  };
}
