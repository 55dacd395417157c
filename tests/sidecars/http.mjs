// Requests that say exactly what a test wants said.
import { randomInt } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';

const PATIENCE = 20_000;

const given = new Set();

/**
 * A port that is free, for a server that cannot take any. It is below those that the system gives to
 * whoever asks for any, so that nobody is given it meanwhile.
 */
export async function freePort() {
  for (let attempts = 0; attempts < 100; attempts += 1) {
    const port = randomInt(20_000, 30_000);
    const server = net.createServer();
    const free = await new Promise((resolve) => {
      server.on('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
  throw new Error('there is no free port');
}

/** Waits until `url` is answered; fails when `stopped` says so. */
export async function answered(url, stopped) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    try {
      await send(url);
      return;
    } catch (error) {
      if (stopped() || Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * Opens a response: `lines` are headers as they go on the wire, pairs of name and value; `from` is
 * the address to connect from, `tls` a certificate and its key.
 */
export function open(url, { method = 'GET', lines = [], body = '', from, tls } = {}) {
  const { protocol, hostname, port, host, pathname, search } = new URL(url);
  const named = (name) => lines.some(([line]) => line.toLowerCase() === name);
  const all = [...lines];
  if (!named('host')) all.unshift(['Host', host]);
  if (!named('connection')) all.push(['Connection', 'close']);
  if (method === 'POST') all.push(['Content-Length', String(Buffer.byteLength(body))]);
  return new Promise((resolve, reject) => {
    const request = (protocol === 'https:' ? https : http).request({
      ...tls,
      rejectUnauthorized: false,
      hostname,
      port,
      method,
      path: pathname + search,
      headers: all.flat(),
      localAddress: from,
      agent: false,
      setHost: false,
      signal: AbortSignal.timeout(PATIENCE),
    });
    request.on('response', resolve);
    request.on('error', reject);
    request.end(body);
  });
}

/** The response with its whole body. */
export async function send(url, options) {
  const response = await open(url, options);
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk;
  return { status: response.statusCode, headers: response.headers, raw: response.rawHeaders, body };
}
