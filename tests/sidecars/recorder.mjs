// Notes the headers of requests on their way, and changes nothing: neither them nor where they come from.
import http from 'node:http';

/** Listens on a free port, before `target` (`host:port`). */
export async function startRecorder(target) {
  const arrivals = [];
  const [host, port] = target.split(':');
  const server = http.createServer((request, response) => {
    const raw = request.rawHeaders;
    arrivals.push(raw.flatMap((name, at) => (at % 2 ? [] : [[name.toLowerCase(), raw[at + 1]]])));
    const onward = http.request({
      host, port, method: request.method, path: request.url, headers: raw, setHost: false, agent: false,
      localAddress: request.socket.remoteAddress,
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
  return { address: `127.0.0.1:${server.address().port}`, arrivals };
}
