// A proxy that adds a header and changes nothing else: the suite has no option for a token.
import { startRelay } from '../peers/relay.mjs';

/** Listens on a free port; set `target` to `host:port` and `token` before the first request. */
export async function startHeader() {
  const proxy = { target: '', token: '' };
  const { address, stop } = await startRelay((request) => {
    const [host, port] = proxy.target.split(':');
    // `Host`, `Origin`, the order and the spelling stay as they came.
    return { host, port, headers: [...request.rawHeaders, 'Authorization', `Bearer ${proxy.token}`] };
  });
  return Object.assign(proxy, { url: `http://${address}/mcp`, stop });
}
