// Apache with mod_auth_openidc as a resource server for opaque tokens (RFC 7662).
import { createHash, randomBytes } from 'node:crypto';
import { browse } from './browser.mjs';
import { group } from './check.mjs';
import { send } from './http.mjs';
import { call, list, whoami } from './mcp.mjs';
import { CALLBACK } from './provider.mjs';

export async function tokens({ url: { TOKENS, OPENIDC }, gates, people, provider: { issuer } }) {
  const gate = gates.tokens;

  /** An access token of a person for a resource: authorization code with PKCE. */
  async function token(person, resource) {
    people.next = person;
    const verifier = randomBytes(32).toString('base64url');
    const query = new URLSearchParams({
      client_id: 'native',
      response_type: 'code',
      redirect_uri: CALLBACK,
      scope: 'openid use',
      resource,
      state: 'state',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    const { url } = await browse(`${issuer}/auth?${query}`, { stop: CALLBACK });
    const answer = await send(`${issuer}/token`, {
      method: 'POST',
      lines: [['Content-Type', 'application/x-www-form-urlencoded']],
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: 'native',
        redirect_uri: CALLBACK,
        code: new URL(url).searchParams.get('code') ?? '',
        code_verifier: verifier,
        resource,
      }).toString(),
    });
    const { access_token } = JSON.parse(answer.body);
    if (!access_token) throw new Error(`the provider gave no token: ${answer.body}`);
    return access_token;
  }
  const bearer = (text) => ({ more: [['Authorization', `Bearer ${text}`]] });

  await group('mod_auth_openidc, tokens', async (check) => {
    const opaque = await token('rita', TOKENS);
    check('the token is opaque', !opaque.includes('.'));
    const told = await whoami(TOKENS, bearer(opaque));
    check('its owner is known', [told.subject, told.issuer], ['rita', TOKENS]);
    check('with her groups', told.groups, ['staff']);
    check('the token reached the gate', gate.arrived('authorization').length, 1);
    check('and not the server', told.headers.filter((name) => /^(authorization|oidc)/.test(name)), []);
    check('she sees what staff may use', await list(TOKENS, bearer(opaque)), ['release', 'wait', 'whoami']);
    check('and no more', (await call(TOKENS, 'purge', bearer(opaque))).error?.code, -32602);

    const seen = gate.arrivals().length;
    check('no token is refused', await whoami(TOKENS), 401);
    check('a changed token is refused', await whoami(TOKENS, bearer(`${opaque.slice(0, -4)}AAAA`)), 401);
    check('a token for another resource is refused', [401, 403].includes(await whoami(TOKENS, bearer(await token('rita', OPENIDC)))));
    check('none of them reached the gate', gate.arrivals().length, seen);

    // Here groups are joined with `|`, which no group of the provider has in its name.
    const told2 = await whoami(TOKENS, bearer(await token('ada', TOKENS)));
    check('two groups are two', told2.groups, ['staff', 'admins']);
    for (const [person, name] of [['comma', 'staff,admins'], ['semicolon', 'staff;admins']]) {
      const own = bearer(await token(person, TOKENS));
      check(`a group named ${name} gives nobody a role`, [gate.arrivals().length > seen, await list(TOKENS, own)], [true, []]);
      check(`and came as one`, gate.arrived('oidc_claim_groups'), [name]);
    }
  });
}
