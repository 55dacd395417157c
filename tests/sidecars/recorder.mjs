// Notes the headers of requests on their way, and changes nothing: neither them nor where they come from.
import { startRelay } from './relay.mjs';

/** Listens on a free port, before `target` (`host:port`). */
export async function startRecorder(target) {
  const arrivals = [];
  const [host, port] = target.split(':');
  const { address } = await startRelay((request) => {
    const headers = request.rawHeaders;
    arrivals.push(headers.flatMap((name, at) => (at % 2 ? [] : [[name.toLowerCase(), headers[at + 1]]])));
    return { host, port, headers, localAddress: request.socket.remoteAddress };
  });
  return { address, arrivals };
}
