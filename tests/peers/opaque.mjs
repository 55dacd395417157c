// Opaque tokens: the gate asks the provider about them, as a client of each kind.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as jose from 'jose';
import { group } from './check.mjs';
import { bearer, list, startGate } from './gate.mjs';
import { startProvider } from './provider.mjs';
import { service } from './tokens.mjs';

const SECRET = 'a secret: 100% & more+';

// What the provider knows of the gate, and what the gate says of itself.
async function client(method) {
  const base = { client_id: 'gate', redirect_uris: [], response_types: [], grant_types: [] };
  if (method !== 'key') {
    const metadata = { client_secret: SECRET, token_endpoint_auth_method: `client_secret_${method}` };
    return [{ ...base, ...metadata }, SECRET];
  }
  const { privateKey, publicKey } = await jose.generateKeyPair('ES256', { extractable: true });
  const path = `${process.env.PEERS_RECORDS}/gate-key.pem`;
  writeFileSync(path, await jose.exportPKCS8(privateKey), { mode: 0o600 });
  const jwks = { keys: [await jose.exportJWK(publicKey)] };
  return [{ ...base, jwks, token_endpoint_auth_method: 'private_key_jwt' }, path];
}

async function run(method) {
  const [metadata, secret] = await client(method);
  const provider = await startProvider({ format: 'opaque', clients: [metadata] });
  const introspect = `${method} ${provider.issuer}/token/introspection gate ${secret}`;
  const gate = await startGate(`opaque-${method}`, [{ issuer: provider.issuer, introspect }]);
  await group(`opaque tokens, ${method}`, async (check) => {
    const token = await service(provider.issuer, gate.url);
    check('the token says nothing itself', token.split('.').length, 1);
    const answer = await list(gate.url, bearer(token));
    check('it is accepted', answer.status, 200);
    check('with the scopes that the provider says', answer.body, /list_notes/);
    const elsewhere = await service(provider.issuer, 'http://127.0.0.1:1/mcp');
    check('one for another resource is refused', (await list(gate.url, bearer(elsewhere))).status, 401);
    check('a made-up one is refused', (await list(gate.url, bearer('made-up'))).status, 401);

    const revoked = await fetch(`${provider.issuer}/token/revocation`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa('service:secret')}` },
      body: new URLSearchParams({ token }),
    });
    check('the provider revokes it', revoked.status, 200);
    await sleep(1100);
    check('then it is refused', (await list(gate.url, bearer(token))).status, 401);

    const last = await service(provider.issuer, gate.url);
    provider.stop();
    const down = await list(gate.url, bearer(last));
    check('while the provider is away, the answer is 503', down.status, 503);
    check('without a challenge', down.challenge, '');
    const subjects = (await gate.records()).map((record) => record.principal?.sub).filter(Boolean);
    check('the record names the client', [...new Set(subjects)], ['service']);
    check('and holds no token', !gate.text().includes(token) && !gate.text().includes(last));
  });
  gate.stop();
  provider.stop();
}

async function wrongSecret() {
  const [metadata] = await client('basic');
  const provider = await startProvider({ format: 'opaque', clients: [metadata] });
  const introspect = `basic ${provider.issuer}/token/introspection gate wrong`;
  const gate = await startGate('opaque-wrong', [{ issuer: provider.issuer, introspect }]);
  await group('opaque tokens, our secret is wrong', async (check) => {
    const token = await service(provider.issuer, gate.url);
    check('the answer is 503', (await list(gate.url, bearer(token))).status, 503);
  });
  gate.stop();
  provider.stop();
}

export async function opaque() {
  for (const method of ['basic', 'post', 'key']) await run(method);
  await wrongSecret();
}
