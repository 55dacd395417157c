// Tokens from the provider, by each grant; and what the gate makes of them.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import * as jose from 'jose';
import { browse } from './browser.mjs';
import { group } from './check.mjs';
import { bearer, list, startGate } from './gate.mjs';
import { startProvider } from './provider.mjs';

const CALLBACK = 'http://127.0.0.1:8976/callback';
const SEEN = /list_notes.*read_note|read_note.*list_notes/s;

async function tokenRequest(issuer, form, headers = {}) {
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers,
    body: new URLSearchParams(form),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`the provider gave no token: ${JSON.stringify(body)}`);
  return body.access_token;
}

/** Client credentials. */
export function service(issuer, resource, { client = 'service', proof } = {}) {
  const authorization = `Basic ${Buffer.from(`${client}:secret`).toString('base64')}`;
  const form = { grant_type: 'client_credentials', scope: 'notes:read', resource };
  return tokenRequest(issuer, form, { authorization, ...(proof && { dpop: proof }) });
}

/** Authorization code with PKCE. */
async function person(issuer, resource, name) {
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    client_id: 'native',
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: 'openid notes:read',
    resource,
    state: 'state',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const back = await browse(`${issuer}/auth?${query}`, CALLBACK, { person: name });
  return tokenRequest(issuer, {
    grant_type: 'authorization_code',
    client_id: 'native',
    redirect_uri: CALLBACK,
    code: back.searchParams.get('code') ?? '',
    code_verifier: verifier,
    resource,
  });
}

async function grants(algorithm) {
  const provider = await startProvider({ algorithm });
  const gate = await startGate(`grants-${algorithm}`, [provider]);
  await group(`provider, ${algorithm}`, async (check) => {
    const token = await service(provider.issuer, gate.url);
    check('client credentials yield an access token of RFC 9068', jose.decodeProtectedHeader(token).typ, 'at+jwt');
    const answer = await list(gate.url, bearer(token));
    check('a service signs in', answer.status, 200);
    check('a service sees its tools', answer.body, SEEN);
    check('a service does not see the others', !answer.body.includes('purge_notes'));

    const ritas = await person(provider.issuer, gate.url, 'rita');
    const rita = await list(gate.url, bearer(ritas));
    check('a person signs in by code and PKCE', rita.status, 200);
    check('a member of staff does not see an admin\'s tool', !rita.body.includes('purge_notes'));
    const adas = await person(provider.issuer, gate.url, 'ada');
    const ada = await list(gate.url, bearer(adas));
    check('an admin sees an admin\'s tool', ada.body, /purge_notes/);

    const elsewhere = await service(provider.issuer, 'http://127.0.0.1:1/mcp');
    const foreign = await list(gate.url, bearer(elsewhere));
    check('a token for another resource is refused', foreign.status, 401);
    check('with a challenge that names the metadata', foreign.challenge, /^Bearer .*resource_metadata="/);
    check('a changed token is refused', (await list(gate.url, bearer(`${token.slice(0, -8)}AAAAAAAA`))).status, 401);

    const subjects = (await gate.records()).map((record) => record.principal?.sub);
    check('the records name each caller', ['service', 'rita', 'ada'].every((sub) => subjects.includes(sub)));
    // By their parts: three letters alone may stand in any digest.
    const parts = [token, ritas, adas, elsewhere].flatMap((token) => token.split('.').slice(1));
    check('the records hold no part of a token', parts.every((part) => part.length > 16 && !gate.text().includes(part)));
  });
  gate.stop();
  provider.stop();
}

async function bound() {
  const provider = await startProvider();
  const gate = await startGate('bound', [provider]);
  await group('DPoP', async (check) => {
    const { privateKey, publicKey } = await jose.generateKeyPair('ES256');
    const jwk = await jose.exportJWK(publicKey);
    const proof = await new jose.SignJWT({ htm: 'POST', htu: `${provider.issuer}/token`, jti: randomUUID() })
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk })
      .setIssuedAt()
      .sign(privateKey);
    const token = await service(provider.issuer, gate.url, { client: 'bound', proof });
    const thumbprint = await jose.calculateJwkThumbprint(jwk);
    check('the provider binds the token to the key', jose.decodeJwt(token).cnf, { jkt: thumbprint });
    const answer = await list(gate.url, bearer(token));
    check('a bound token presented as plain bearer is refused', answer.status, 401);
    check('a free token of the same provider is accepted', (await list(gate.url, bearer(await service(provider.issuer, gate.url)))).status, 200);
  });
  gate.stop();
  provider.stop();
}

// The keys change, all at once, while requests run.
async function rotation() {
  const provider = await startProvider();
  const other = await startProvider();
  const gate = await startGate('rotation', [provider, other]);
  await group('rotation', async (check) => {
    const old = await service(provider.issuer, gate.url);
    const foreign = await service(other.issuer, gate.url);
    check('the first key is accepted', (await list(gate.url, bearer(old))).status, 200);

    const seen = { old: new Set(), foreign: new Set(), count: 0 };
    let running = true;
    const load = (name, token) => async () => {
      while (running) {
        seen[name].add((await list(gate.url, bearer(token))).status);
        seen.count += 1;
      }
    };
    const loads = [load('old', old), load('old', old), load('foreign', foreign)].map((run) => run());

    await provider.rotate();
    const fresh = await service(provider.issuer, gate.url);
    const answers = await Promise.all(Array.from({ length: 20 }, () => list(gate.url, bearer(fresh))));
    check('the new key is accepted at once, by all who come', answers.every(({ status }) => status === 200));
    check('the old key is refused from then on', (await list(gate.url, bearer(old))).status, 401);
    running = false;
    await Promise.all(loads);

    check('requests ran meanwhile', seen.count > 20);
    check('old tokens met 200 and 401 only', [...seen.old].every((status) => [200, 401].includes(status)));
    check('the other issuer\'s tokens met 200 only', [...seen.foreign], [200]);
  });
  gate.stop();
  provider.stop();
  other.stop();
}

export async function tokens() {
  for (const algorithm of ['ES256', 'RS256']) await grants(algorithm);
  await bound();
  await rotation();
}
