// The second TypeScript client with a key of its own (DPoP), before a gate that asks for nonces.
import { Client, DpopSession, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { browse } from './browser.mjs';
import { group } from './check.mjs';
import { bearer, list, startGate } from './gate.mjs';
import { startProvider } from './provider.mjs';

const CALLBACK = 'http://127.0.0.1:8976/callback';

// What an application gives the SDK.
class Application {
  constructor(session) { this.session = session; }
  redirectUrl = CALLBACK;
  clientMetadata = {
    client_name: 'peers',
    redirect_uris: [CALLBACK],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    dpop_bound_access_tokens: true,
  };
  dpop() { return this.session; }
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
    this.back = (await browse(url, CALLBACK, { person: 'rita' })).searchParams;
  }
}

async function run(version) {
  const provider = await startProvider();
  const gate = await startGate(`dpop-${version}`, [provider], ['--dpop', 'nonces']);
  await group(`DPoP, TypeScript SDK 2, ${version}`, async (check) => {
    const application = new Application(await DpopSession.create());
    const seen = [];
    const watched = async (url, init) => {
      const answer = await fetch(url, init);
      const scheme = new Headers(init?.headers).get('authorization')?.split(' ')[0] ?? 'none';
      if (String(url) === gate.url) {
        const challenge = answer.headers.get('www-authenticate') ?? '';
        seen.push({ scheme, status: answer.status, challenge, nonce: answer.headers.get('dpop-nonce') });
      }
      return answer;
    };
    let transport;
    const connect = async () => {
      const mode = version === '2025-11-25' ? 'legacy' : { pin: version };
      const client = new Client({ name: 'peers', version: '1' }, { capabilities: {}, versionNegotiation: { mode } });
      transport = new StreamableHTTPClientTransport(new URL(gate.url), { authProvider: application, fetch: watched });
      await client.connect(transport);
      return client;
    };
    const refused = await connect().then(() => undefined, (error) => error);
    check('without a token the client is refused', refused instanceof UnauthorizedError);
    check('and told that DPoP is spoken', seen[0]?.challenge, /DPoP/);
    await transport.finishAuth(application.back);
    check('its token is bound', application.kept?.token_type, /^DPoP$/i);
    const client = await connect();

    const asked = seen.findIndex(({ challenge }) => challenge.includes('use_dpop_nonce'));
    check('the gate asks for a nonce, and gives one', [seen[asked]?.status, seen[asked]?.nonce?.length > 0], [401, true]);
    check('with the nonce it is let in', [seen[asked + 1]?.scheme, seen[asked + 1]?.status < 300], ['DPoP', true]);
    const { tools } = await client.listTools();
    check('sees what the policy grants', tools.map(({ name }) => name).toSorted(), ['add_note', 'list_notes', 'read_note']);
    const { content } = await client.callTool({ name: 'read_note', arguments: { title: 'welcome' } });
    check('calls a tool', content[0].text, /Tools, prompts and resources/);
    check('never sent its token as bearer', seen.every(({ scheme }) => scheme !== 'Bearer'));
    const stolen = application.kept.access_token;
    check('which would not do', (await list(gate.url, bearer(stolen))).status, 401);
    check('nor would DPoP without a proof', (await list(gate.url, { authorization: `DPoP ${stolen}` })).status, 401);
    const reasons = (await gate.records()).map(({ reason }) => reason);
    check('the nonce is on record', reasons.includes('dpop_nonce'));
    await client.close();
  });
  gate.stop();
  provider.stop();
}

export async function dpop() {
  for (const version of ['2025-11-25', '2026-07-28']) await run(version);
}
