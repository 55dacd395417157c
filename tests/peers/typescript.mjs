// The TypeScript clients, through the whole of MCP's authorization flow:
//   typescript.mjs v1|v2 MCP_URL VERSION PERSON
// Prints as JSON what the client saw.
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
    options.versionNegotiation = { mode: version === '2025-11-25' ? 'legacy' : { pin: version } };
  }
  const client = new Client({ name: 'peers', version: '1' }, options);
  transport = new StreamableHTTPClientTransport(new URL(mcp), { authProvider: application });
  await client.connect(transport);
  return client;
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
await client.close();

const [asked, more] = application.asked;
console.log(JSON.stringify({ asked, tools: tools.map(({ name }) => name), read, hidden, more, added }));
process.exit(0);
