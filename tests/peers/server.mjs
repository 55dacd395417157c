// An MCP server of the TypeScript SDKs that writes down what it executes:
//   server.mjs v1|v2
// Tools named allowed_… and forbidden_… do nothing else. `GET /executed` says, and forgets, which ran.
import http from 'node:http';

const TOOLS = ['allowed_read', 'allowed_note', 'allowed_pay', 'allowed_near', 'forbidden_delete', 'forbidden_wipe'];
// What allowed_near declares for headers to repeat.
const DECLARED = {
  region: { type: 'string', 'x-mcp-header': 'Region' },
  count: { type: 'integer', 'x-mcp-header': 'Count' },
  flag: { type: 'boolean', 'x-mcp-header': 'Flag' },
};
const PROMPTS = ['allowed_prompt', 'forbidden_prompt'];

let executed = [];

// Arguments count as a handler finds them: inherited ones too.
function keys(args) {
  const found = [];
  for (const key in args ?? {}) found.push(key);
  return found;
}

function note(method, target, args) {
  executed.push({ method, target: String(target), keys: keys(args), amount: args?.amount });
}

const unknown = (what) => Object.assign(new Error(`Unknown ${what}`), { code: -32602 });
const said = (text) => [{ type: 'text', text }];

/** What each method does, whichever SDK calls it. */
const HANDLERS = {
  'tools/list': () => ({
    tools: TOOLS.map((name) => ({
      name,
      inputSchema: { type: 'object', properties: name === 'allowed_near' ? DECLARED : {} },
    })),
  }),
  'tools/call': ({ params }) => {
    if (!TOOLS.some((name) => name == params.name)) throw unknown('tool');
    note('tools/call', params.name, params.arguments);
    return { content: said('done') };
  },
  'resources/list': () => ({ resources: [] }),
  'resources/read': ({ params }) => {
    note('resources/read', params.uri);
    return { contents: [{ uri: params.uri, text: 'read' }] };
  },
  'prompts/list': () => ({ prompts: PROMPTS.map((name) => ({ name })) }),
  'prompts/get': ({ params }) => {
    if (!PROMPTS.includes(params.name)) throw unknown('prompt');
    note('prompts/get', params.name);
    return { messages: [{ role: 'user', content: said('prompt')[0] }] };
  },
};

const INFO = { name: 'peer', version: '1' };
const CAPABILITIES = { capabilities: { tools: {}, resources: {}, prompts: {} } };

/** The first SDK, without sessions: a server and a transport for each request. */
async function first() {
  const { Server } = await import('@modelcontextprotocol/sdk/server/index.js');
  const { StreamableHTTPServerTransport } = await import('@modelcontextprotocol/sdk/server/streamableHttp.js');
  const types = await import('@modelcontextprotocol/sdk/types.js');
  const schemas = {
    'tools/list': types.ListToolsRequestSchema,
    'tools/call': types.CallToolRequestSchema,
    'resources/list': types.ListResourcesRequestSchema,
    'resources/read': types.ReadResourceRequestSchema,
    'prompts/list': types.ListPromptsRequestSchema,
    'prompts/get': types.GetPromptRequestSchema,
  };
  return async (request, response) => {
    const server = new Server(INFO, CAPABILITIES);
    for (const [method, handler] of Object.entries(HANDLERS)) server.setRequestHandler(schemas[method], handler);
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    response.on('close', () => { transport.close(); server.close(); });
    await server.connect(transport);
    await transport.handleRequest(request, response);
  };
}

/** The second SDK, whose handler takes the requests of web standards. */
async function second() {
  const { Server, createMcpHandler } = await import('@modelcontextprotocol/server');
  const handler = createMcpHandler(() => {
    const server = new Server(INFO, CAPABILITIES);
    for (const [method, handle] of Object.entries(HANDLERS)) server.setRequestHandler(method, handle);
    return server;
  });
  return async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const headers = new Headers();
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      const [name, value] = request.rawHeaders.slice(i, i + 2);
      if (!/^(connection|transfer-encoding|content-length)$/i.test(name)) headers.append(name, value);
    }
    const body = chunks.length ? Buffer.concat(chunks) : undefined;
    const bodiless = ['GET', 'HEAD'].includes(request.method);
    const answer = await handler.fetch(new Request(`http://${request.headers.host}${request.url}`, {
      method: request.method,
      headers,
      ...(!bodiless && body && { body }),
    }));
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    for await (const chunk of answer.body ?? []) response.write(chunk);
    response.end();
  };
}

const handle = await (process.argv[2] === 'v2' ? second() : first());

const server = http.createServer(async (request, response) => {
  if (request.url === '/executed') {
    response.end(JSON.stringify(executed));
    executed = [];
    return;
  }
  if (request.url.split('?')[0] !== '/mcp' || !['POST', 'DELETE'].includes(request.method)) {
    response.writeHead(request.method === 'POST' ? 404 : 405).end();
    return;
  }
  // The first SDK says keep-alive whatever the client said.
  if (request.headers.connection === 'close') response.on('finish', () => request.socket.end());
  try {
    await handle(request, response);
  } catch {
    if (!response.headersSent) response.writeHead(400);
    response.end();
  }
});
server.on('connection', (socket) => socket.setNoDelay(true));
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}/mcp`));
