// An OpenID provider (npm oidc-provider) whose people agree to everything, in this process.
import http from 'node:http';
import https from 'node:https';
import * as jose from 'jose';
import Provider from 'oidc-provider';
import { PEOPLE, claims } from './people.mjs';

export const CALLBACK = 'http://127.0.0.1:8976/callback';
const SCOPES = ['openid', 'email', 'profile', 'groups', 'use'];

async function keys() {
  const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true });
  const jwk = await jose.exportJWK(privateKey);
  return [{ ...jwk, alg: 'RS256', use: 'sig', kid: await jose.calculateJwkThumbprint(jwk) }];
}

function configuration(jwks, secret, redirects) {
  return {
    jwks,
    cookies: { keys: ['only for this test'] },
    clients: [
      { client_id: 'apache', client_secret: secret, redirect_uris: redirects },
      {
        client_id: 'native',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        redirect_uris: [CALLBACK],
      },
    ],
    scopes: SCOPES,
    claims: { openid: ['sub'], email: ['email'], profile: ['preferred_username'], groups: ['groups'] },
    conformIdTokenClaims: false,
    responseTypes: ['code'],
    pkce: { required: () => true },
    findAccount: (_, id) => PEOPLE[id] && { accountId: id, claims: () => claims(id) },
    extraTokenClaims: (_, { accountId }) => ({ groups: PEOPLE[accountId].groups }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: () => false,
    ttl: { AccessToken: 300, Grant: 600, IdToken: 300, Interaction: 60, Session: 600 },
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) =>
          ({ audience: resource, scope: 'use', accessTokenFormat: 'opaque' }),
      },
    },
  };
}

// Signs in whoever `people.next` names, and grants all that is asked for.
function agreeable(provider, people) {
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { params, grantId, session } = await provider.interactionDetails(ctx.req, ctx.res);
    const accountId = session?.accountId ?? people.next;
    const found = grantId && await provider.Grant.find(grantId);
    const grant = found || new provider.Grant({ accountId, clientId: params.client_id });
    grant.addOIDCScope(SCOPES.join(' '));
    for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, 'use');
    ctx.respond = false;
    const result = { login: { accountId }, consent: { grantId: await grant.save() } };
    await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
  });
}

/** Starts a provider on free ports, with Apache as a client at `redirects`. */
export async function startProvider({ secret, redirects, people, cert, key }) {
  // Apache asks about tokens only over TLS.
  const [server, secure] = [http.createServer(), https.createServer({ cert, key })];
  for (const each of [server, secure]) {
    await new Promise((resolve) => each.listen(0, '127.0.0.1', resolve));
    each.on('connection', (socket) => socket.setNoDelay(true));
  }
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration({ keys: await keys() }, secret, redirects));
  provider.on('server_error', (_, error) => console.error(`provider: ${error.stack}`));
  agreeable(provider, people);
  for (const each of [server, secure]) each.on('request', provider.callback());
  return { issuer, secure: `https://127.0.0.1:${secure.address().port}` };
}
