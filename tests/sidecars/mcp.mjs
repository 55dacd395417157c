// An MCP client with a browser's cookies, in two revisions of the protocol.
import { createInterface } from 'node:readline';
import { open, send } from './http.mjs';

const MODERN = '2026-07-28';
const LEGACY = '2025-11-25';
const ACCEPT = ['Accept', 'application/json, text/event-stream'];
const JSON_BODY = ['Content-Type', 'application/json'];

const cookie = (cookies) => (cookies ? [['Cookie', [...cookies].map((pair) => pair.join('=')).join('; ')]] : []);
const parse = ({ headers, body }) => {
  if (!headers['content-type']?.startsWith('text/event-stream')) return body ? [JSON.parse(body)] : [];
  return body.split('\n').filter((line) => /^data: ?\S/.test(line)).map((line) => JSON.parse(line.slice(5)));
};

function modern(method, params, name) {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': MODERN,
    'io.modelcontextprotocol/clientCapabilities': {},
    ...(name === 'wait' && { progressToken: 'waiting' }),
  };
  return {
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }),
    lines: [
      ACCEPT,
      JSON_BODY,
      ['MCP-Protocol-Version', MODERN],
      ['Mcp-Method', method],
      ...(name ? [['Mcp-Name', name]] : []),
    ],
  };
}

async function exchange(url, { body, lines }, { cookies, more = [], from, host, tls } = {}) {
  const all = [...lines, ...cookie(cookies), ...more, ...(host ? [['Host', host]] : [])];
  const answer = await send(url, { method: 'POST', body, lines: all, from, tls });
  if (answer.status !== 200) return answer;
  const last = parse(answer).at(-1);
  return { ...answer, result: last.result, error: last.error };
}

/** The names of the tools that are listed. */
export async function list(url, options) {
  const answer = await exchange(url, modern('tools/list', {}), options);
  return answer.result?.tools.map(({ name }) => name).sort() ?? answer.status;
}

/** Calls a tool. */
export function call(url, name, options) {
  return exchange(url, modern('tools/call', { name, arguments: {} }, name), options);
}

/** What the server was told about the caller, `denied` by policy, or the status of a refusal. */
export async function whoami(url, options) {
  const { status, result, error } = await call(url, 'whoami', options);
  if (result) return JSON.parse(result.content[0].text);
  return status === 200 && error ? 'denied' : status;
}

/** Calls `wait`; yields messages as they come. */
export async function* wait(url, { cookies }) {
  const { body, lines } = modern('tools/call', { name: 'wait', arguments: {} }, 'wait');
  yield* events(await open(url, { method: 'POST', body, lines: [...lines, ...cookie(cookies)] }));
}

async function* events(response) {
  for await (const line of createInterface({ input: response })) {
    if (/^data: ?\S/.test(line)) yield JSON.parse(line.slice(5));
  }
}

/** A session of the revision before sessions went. */
export async function startSession(url, cookies) {
  const post = (body, lines = []) =>
    send(url, { method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', ...body }), lines: [ACCEPT, JSON_BODY, ...lines] });
  const clientInfo = { name: 'sidecars', version: '1' };
  const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo };
  const begun = await post({ id: 1, method: 'initialize', params }, cookie(cookies));
  const id = begun.headers['mcp-session-id'];
  const lines = (as = cookies) =>
    [['Mcp-Session-Id', id], ['MCP-Protocol-Version', LEGACY], ...cookie(as)];
  await post({ method: 'notifications/initialized' }, lines());
  return {
    id,
    status: begun.status,
    call: (name, as) => post({ id: 2, method: 'tools/call', params: { name, arguments: {} } }, lines(as)),
    /** Opens the stream of what the server has to say. */
    listen: async () => {
      const response = await open(url, { lines: [['Accept', 'text/event-stream'], ...lines()] });
      return { status: response.statusCode, events: events(response) };
    },
    end: () => send(url, { method: 'DELETE', lines: lines() }),
  };
}
