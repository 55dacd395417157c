// An OpenID provider (npm oidc-provider) whose people agree to everything, in this process.
import http from 'node:http';
import * as jose from 'jose';
import Provider from 'oidc-provider';

const SCOPES = ['notes:read', 'notes:write'];
const PEOPLE = { rita: ['staff'], ed: ['editors'], ada: ['it-admins'] };
// `rita.1` is as `rita`: for tests at the same time.
const groups = (id) => PEOPLE[id?.split('.')[0]];
const LIFETIME = 300;

const CLIENTS = [
  { client_id: 'service', grant_types: ['client_credentials'] },
  { client_id: 'bound', grant_types: ['client_credentials'], dpop_bound_access_tokens: true },
].map((client) => ({ client_secret: 'secret', redirect_uris: [], response_types: [], ...client }));
CLIENTS.push({
  client_id: 'native',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code'],
  redirect_uris: ['http://127.0.0.1:8976/callback'],
});

// One memory for all instances: the provider takes its keys once, so new keys need a new instance.
function memory() {
  const entries = new Map();
  return class Memory {
    constructor(kind) { this.kind = kind; }
    key(id) { return `${this.kind} ${id}`; }
    async upsert(id, payload, seconds) {
      const until = seconds ? Date.now() + seconds * 1000 : Infinity;
      entries.set(this.key(id), { payload, until });
    }
    async find(id) {
      const entry = entries.get(this.key(id));
      return entry && entry.until > Date.now() ? entry.payload : undefined;
    }
    async findByUid(uid) {
      const all = [...entries].filter(([key]) => key.startsWith(`${this.kind} `));
      return all.map(([, entry]) => entry.payload).find((payload) => payload.uid === uid);
    }
    async findByUserCode() {}
    async consume(id) {
      const entry = entries.get(this.key(id));
      if (entry) entry.payload.consumed = Math.floor(Date.now() / 1000);
    }
    async destroy(id) { entries.delete(this.key(id)); }
    async revokeByGrantId(grant) {
      for (const [key, entry] of entries) if (entry.payload.grantId === grant) entries.delete(key);
    }
  };
}

async function keySet() {
  const keys = [];
  for (const alg of ['ES256', 'RS256']) {
    const { privateKey } = await jose.generateKeyPair(alg, { extractable: true });
    const jwk = await jose.exportJWK(privateKey);
    keys.push({ ...jwk, alg, use: 'sig', kid: await jose.calculateJwkThumbprint(jwk) });
  }
  return keys;
}

function configuration(keys, adapter, { algorithm, format, clients }) {
  return {
    adapter,
    jwks: { keys },
    cookies: { keys: ['only for this test'] },
    clients: [...CLIENTS, ...clients],
    clientDefaults: { grant_types: ['authorization_code'], response_types: ['code'] },
    scopes: ['openid', ...SCOPES],
    responseTypes: ['code'],
    pkce: { required: () => true },
    findAccount: (_, id) => groups(id) && { accountId: id, claims: () => ({ sub: id }) },
    extraTokenClaims: (_, token) => ({ groups: groups(token.accountId) ?? ['staff'] }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    // rmcp registers for refresh tokens. They may be asked for; none are issued, because the first
    // TypeScript SDK cannot step up while it holds one.
    issueRefreshToken: () => false,
    ttl: {
      AccessToken: LIFETIME,
      ClientCredentials: LIFETIME,
      Grant: 600,
      IdToken: LIFETIME,
      Interaction: 60,
      Session: 600,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true },
      // Of every token: resource servers ask about those of others.
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({
          audience: resource,
          scope: SCOPES.join(' '),
          accessTokenFormat: format,
          accessTokenTTL: LIFETIME,
          jwt: { sign: { alg: algorithm } },
        }),
      },
    },
  };
}

// Signs in whoever `login_hint` names, and grants all they ask for.
function agreeable(provider) {
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { params, grantId, session } = await provider.interactionDetails(ctx.req, ctx.res);
    const accountId = session?.accountId ?? params.login_hint ?? 'rita';
    const found = grantId && await provider.Grant.find(grantId);
    const grant = found || new provider.Grant({ accountId, clientId: params.client_id });
    grant.addOIDCScope(['openid', ...SCOPES].join(' '));
    for (const resource of [params.resource ?? []].flat()) {
      grant.addResourceScope(resource, SCOPES.join(' '));
    }
    ctx.respond = false;
    const result = { login: { accountId }, consent: { grantId: await grant.save() } };
    await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
  });
}

// Clients register with the scope of their first challenge and are then held to it, so that no
// step-up could succeed: this provider, like most, does not tie clients to scopes.
async function withoutScope(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { scope, ...registration } = JSON.parse(Buffer.concat(chunks));
  return registration;
}

/** Starts a provider on a free port. */
export async function startProvider({ algorithm = 'ES256', format = 'jwt', clients = [] } = {}) {
  let handler;
  const server = http.createServer(async (request, response) => {
    if (request.url === '/reg') request.body = await withoutScope(request);
    handler(request, response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.on('connection', (socket) => socket.setNoDelay(true));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const adapter = memory();

  /** Makes new keys; the old ones are published no more. */
  async function rotate() {
    const provider = new Provider(issuer, configuration(await keySet(), adapter, { algorithm, format, clients }));
    provider.on('server_error', (_, error) => console.error(`provider: ${error.stack}`));
    agreeable(provider);
    handler = provider.callback();
  }

  await rotate();
  const stop = () => { server.closeAllConnections(); server.close(); };
  return { issuer, jwks: `${issuer}/jwks`, rotate, stop };
}
