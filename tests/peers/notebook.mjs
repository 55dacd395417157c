// A notebook on an SDK of TypeScript, for the gateway to stand before:
//   notebook.mjs v1|v2 JWKS_URL ISSUER AUDIENCE
//   notebook.mjs v1 piped FILE
// It keeps sessions for revisions that have them, verifies who the gateway says is calling, reports progress, and can
// be cancelled. `GET /seen` says which headers came, which tools ran, and which calls were cancelled; on pipes, the
// file does.
import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import http from 'node:http';
import * as jose from 'jose';

const [sdk, jwks, issuer, audience] = process.argv.slice(2);
const piped = jwks === 'piped';
const keys = piped || jose.createRemoteJWKSet(new URL(jwks));

const seen = { headers: [], ran: [], cancelled: [] };

function note(kind, what) {
  seen[kind].push(what);
  if (piped) appendFileSync(issuer, `${JSON.stringify([kind, what])}\n`);
}

const text = { type: 'string' };
const schema = (...names) => ({
  type: 'object',
  properties: Object.fromEntries(names.map((name) => [name, text])),
});
const TOOLS = {
  list_notes: schema(),
  read_note: schema('title'),
  add_note: schema('title', 'text'),
  purge_notes: schema(),
  count_notes: schema(),
  wait_for_notes: schema('key'),
};

/** Who the gateway says is calling. On pipes it says nothing: each caller has a process of their own. */
async function caller(assertion) {
  if (piped) return 'somebody';
  const checked = await jose.jwtVerify(assertion, keys, {
    issuer, audience, typ: 'portcullis-assertion+jwt', algorithms: ['ES256'],
  });
  return checked.payload.sub_id.sub;
}

/** What each tool does, whichever SDK calls it. */
const RUN = {
  list_notes: () => 'welcome',
  read_note: () => 'The text of welcome.',
  add_note: async ({ title }, { assertion }) => `added "${title}" by ${await caller(assertion)}`,
  purge_notes: () => 'deleted 1 note',
  count_notes: async (_, { report }) => {
    for (const progress of [1, 2, 3]) await report(progress);
    return 'counted 3 notes';
  },
  wait_for_notes: async ({ key }, { report, signal }) => {
    await report(1);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    note('cancelled', key);
    throw new Error('cancelled');
  },
};

async function call({ name, arguments: args, _meta }, { assertion, notify, signal }) {
  if (!(name in TOOLS)) throw new Error('Unknown tool');
  note('ran', name);
  const progressToken = _meta?.progressToken;
  const report = async (progress) => {
    if (progressToken === undefined) return;
    await notify({ method: 'notifications/progress', params: { progressToken, progress, total: 3 } });
  };
  const said = await RUN[name](args ?? {}, { assertion, report, signal });
  return { content: [{ type: 'text', text: said }] };
}

const list = () => ({ tools: Object.entries(TOOLS).map(([name, inputSchema]) => ({ name, inputSchema })) });
const INFO = { name: 'notebook', version: '1' };
const CAPABILITIES = { capabilities: { tools: {} } };
const ASSERTION = 'x-portcullis-assertion';

/** Serves sessions: `open` makes a server and its transport, `handle` hands a request to one. */
function sessions(open, handle) {
  const transports = new Map();
  return async (id, ...request) => {
    let transport = transports.get(id);
    if (id && !transport) return undefined;
    transport ??= await open({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => transports.set(id, transport),
      onsessionclosed: (id) => transports.delete(id),
    });
    return handle(transport, ...request);
  };
}

/** The first SDK. */
async function first() {
  const { Server } = await import('@modelcontextprotocol/sdk/server/index.js');
  const { StreamableHTTPServerTransport } = await import('@modelcontextprotocol/sdk/server/streamableHttp.js');
  const types = await import('@modelcontextprotocol/sdk/types.js');
  const connect = async (transport) => {
    const server = new Server(INFO, CAPABILITIES);
    server.setRequestHandler(types.ListToolsRequestSchema, list);
    server.setRequestHandler(types.CallToolRequestSchema, ({ params }, { requestInfo, sendNotification, signal }) =>
      call(params, { assertion: requestInfo?.headers[ASSERTION], notify: sendNotification, signal }));
    await server.connect(transport);
    return transport;
  };
  if (piped) {
    const { StdioServerTransport } = await import('@modelcontextprotocol/sdk/server/stdio.js');
    await connect(new StdioServerTransport());
    return undefined;
  }
  const open = (options) => connect(new StreamableHTTPServerTransport(options));
  const serve = sessions(open, async (transport, request, response) => {
    await transport.handleRequest(request, response);
    return true;
  });
  return async (request, response) => {
    const served = await serve(request.headers['mcp-session-id'], request, response);
    if (!served) response.writeHead(404).end();
  };
}

/** The second SDK, whose handlers take the requests of web standards. */
async function second() {
  const { Server, WebStandardStreamableHTTPServerTransport, createMcpHandler, isLegacyRequest } =
    await import('@modelcontextprotocol/server');
  const make = () => {
    const server = new Server(INFO, CAPABILITIES);
    server.setRequestHandler('tools/list', list);
    server.setRequestHandler('tools/call', ({ params }, { http, mcpReq }) => call(
      { ...params, _meta: mcpReq._meta },
      { assertion: http.req.headers.get(ASSERTION), notify: mcpReq.notify, signal: mcpReq.signal },
    ));
    return server;
  };
  const modern = createMcpHandler(make, { legacy: 'reject' });
  const legacy = sessions(async (options) => {
    const transport = new WebStandardStreamableHTTPServerTransport(options);
    await make().connect(transport);
    return transport;
  }, (transport, request) => transport.handleRequest(request));
  const serve = async (request) => {
    if (!await isLegacyRequest(request)) return modern.fetch(request);
    return await legacy(request.headers.get('mcp-session-id'), request) ?? new Response(null, { status: 404 });
  };
  return async (request, response) => {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const answer = await serve(new Request(`http://${request.headers.host}${request.url}`, {
      method: request.method,
      headers: request.headers,
      signal: gone.signal,
      ...(chunks.length && { body: Buffer.concat(chunks) }),
    }));
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.flushHeaders();
    const reader = answer.body?.getReader();
    gone.signal.addEventListener('abort', () => reader?.cancel().catch(() => {}));
    while (reader) {
      const { done, value } = await reader.read();
      if (done) break;
      response.write(value);
    }
    response.end();
  };
}

const handle = await (sdk === 'v2' ? second() : first());

const server = http.createServer(async (request, response) => {
  if (request.url === '/seen') {
    response.end(JSON.stringify(seen));
    return;
  }
  seen.headers.push(Object.entries(request.headers));
  try {
    await handle(request, response);
  } catch (error) {
    console.error(error);
    if (!response.headersSent) response.writeHead(500);
    response.end();
  }
});
server.on('connection', (socket) => socket.setNoDelay(true));
if (handle) server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}/mcp`));
