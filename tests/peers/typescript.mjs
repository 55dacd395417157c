// The TypeScript clients, through the whole of MCP's authorization flow:
//   typescript.mjs v1|v2 MCP_URL VERSION|auto PERSON
// Prints as JSON what the client saw. Where there is `count_notes`, that is progress and a cancellation, too.
import { randomUUID } from 'node:crypto';
import { browse } from './browser.mjs';

const [sdk, mcp, version, person] = process.argv.slice(2);
const CALLBACK = 'http://127.0.0.1:8976/callback';

const { Client, StreamableHTTPClientTransport, UnauthorizedError } = sdk === 'v2'
  ? await import('@modelcontextprotocol/client')
  : {
    ...await import('@modelcontextprotocol/sdk/client/index.js'),
    ...await import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
    ...await import('@modelcontextprotocol/sdk/client/auth.js'),
  };

// What an application gives the SDK: a place to keep things, and a browser.
class Application {
  redirectUrl = CALLBACK;
  clientMetadata = {
    client_name: 'peers',
    redirect_uris: [CALLBACK],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
  };
  asked = [];
  state() { return 'state'; }
  clientInformation() { return this.registration; }
  saveClientInformation(registration) { this.registration = registration; }
  tokens() { return this.kept; }
  saveTokens(tokens) { this.kept = tokens; }
  codeVerifier() { return this.verifier; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  discoveryState() { return this.discovery; }
  saveDiscoveryState(state) { this.discovery = state; }
  async redirectToAuthorization(url) {
    const { scope, resource } = Object.fromEntries(url.searchParams);
    this.asked.push({ scope, resource });
    this.back = (await browse(url, CALLBACK, { person })).searchParams;
  }
}

const application = new Application();
let transport;
const finish = () => transport.finishAuth(sdk === 'v2' ? application.back : application.back.get('code'));

async function connect() {
  const options = { capabilities: {} };
  if (sdk === 'v2') {
    const old = version < '2026';
    const mode = old ? 'legacy' : version === 'auto' ? 'auto' : { pin: version };
    // As long as a server on pipes may take to start, and more.
    options.versionNegotiation = { mode, probe: { timeoutMs: 120_000 } };
    if (old) options.supportedProtocolVersions = [version];
  }
  const client = new Client({ name: 'peers', version: '1' }, options);
  transport = new StreamableHTTPClientTransport(new URL(mcp), { authProvider: application });
  watch(transport);
  await client.connect(transport);
  return client;
}

const told = [];

/** Watches what goes out. The first SDK always offers its newest revision; it speaks the others, if the server chooses
 * them. Neither waits until the server has taken a notification. */
function watch(transport) {
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    if (sdk === 'v1' && message.method === 'initialize') message.params.protocolVersion = version;
    const sent = send(message, options);
    if (!('id' in message)) told.push(sent);
    return sent;
  };
}

/** Progress of a call, and the end of one that is cancelled once it runs. */
async function beyond() {
  const run = (params, options) => client.callTool(params, ...(sdk === 'v2' ? [options] : [undefined, options]));
  const progress = [];
  const onprogress = (news) => progress.push(news.progress);
  const { content } = await run({ name: 'count_notes', arguments: {} }, { onprogress });
  const enough = new AbortController();
  const key = randomUUID();
  const waited = await run({ name: 'wait_for_notes', arguments: { key } }, {
    signal: enough.signal,
    onprogress: () => enough.abort('enough'),
  }).then(() => 'answered', () => 'cancelled');
  // The others go on.
  const after = await call('read_note', { title: 'welcome' });
  await Promise.allSettled(told);
  return { progress, counted: content[0].text, key, waited, after };
}

let client;
try {
  client = await connect();
  throw new Error('the server let a client in that has no token');
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  await finish();
  client = await connect();
}

const call = async (name, args) => (await client.callTool({ name, arguments: args })).content[0].text;
const { tools } = await client.listTools();
const read = await call('read_note', { title: 'welcome' });
const hidden = await call('purge_notes', {}).then((text) => `answered: ${text}`, (error) => error.message);

const note = { title: 'lunch', text: 'Soup today.' };
const added = await call('add_note', note).catch(async (error) => {
  if (!(error instanceof UnauthorizedError)) throw error;
  await finish();
  return call('add_note', note);
});
const beside = tools.some(({ name }) => name === 'count_notes') ? await beyond() : {};
await client.close();

const [asked, more] = application.asked;
console.log(JSON.stringify({ asked, tools: tools.map(({ name }) => name), read, hidden, more, added, ...beside }));
process.exit(0);
