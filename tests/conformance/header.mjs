// A proxy that adds a header and changes nothing else: the suite has no option for a token.
import http from 'node:http';

/** Listens on a free port; set `target` to `host:port` and `token` before the first request. */
export async function startHeader() {
  const proxy = { target: '', token: '' };
  const server = http.createServer((request, response) => {
    const [host, port] = proxy.target.split(':');
    // `Host`, `Origin`, the order and the spelling stay as they came.
    const headers = [...request.rawHeaders, 'Authorization', `Bearer ${proxy.token}`];
    const onward = http.request({
      host, port, method: request.method, path: request.url, headers, setHost: false, agent: false,
    });
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode, answer.rawHeaders);
      response.flushHeaders();
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => {
      if (!response.headersSent) response.writeHead(502);
      response.end();
    });
    // Who goes away, goes away on both sides.
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  server.on('connection', (socket) => socket.setNoDelay(true));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.url = `http://127.0.0.1:${server.address().port}/mcp`;
  proxy.stop = () => { server.closeAllConnections(); server.close(); };
  return proxy;
}
