// All checks with real sidecars in front of the gate, or of the gateway with SIDECARS_GATEWAY; started by `run`, which
// installs them.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { sum } from './check.mjs';
import { browse } from './browser.mjs';
import { certificates, startIssuer } from './certificates.mjs';
import { forgeries } from './forgeries.mjs';
import { startGate } from './gate.mjs';
import { freePort, send } from './http.mjs';
import { chain } from './chain.mjs';
import { mellon } from './mellon.mjs';
import { openidc } from './openidc.mjs';
import { startProvider } from './provider.mjs';
import { startSaml } from './saml.mjs';
import { startApache, startNginx } from './servers.mjs';
import { streams } from './streams.mjs';
import { tokens } from './tokens.mjs';

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

const RUN = process.env.SIDECARS_RUN;
const read = (name) => readFileSync(`${RUN}/${name}`, 'utf8');

const ports = {};
for (const name of ['OPENIDC', 'OPENIDC_PASS', 'OPENIDC_OFF', 'TOKENS', 'MELLON', 'MELLON_OFF', 'CERTIFICATES', 'NGINX']) {
  ports[name] = await freePort();
}
const scheme = (name) => (name === 'CERTIFICATES' ? 'https' : 'http');
const url = Object.fromEntries(
  Object.entries(ports).map(([name, port]) => [name, `${scheme(name)}://127.0.0.1:${port}/mcp`]));

// Who signs in next, wherever.
const people = { next: 'rita' };
const [secret, gateSecret] = [1, 2].map(() => randomBytes(24).toString('hex'));
const callback = (port) => `http://127.0.0.1:${port}/oidc/callback`;
const redirects = [callback(ports.OPENIDC), callback(ports.OPENIDC_PASS)];
const certificate = { cert: read('idp.crt'), key: read('idp.key') };
const provider = await startProvider({ secret, redirects, people, ...certificate });
const saml = await startSaml({ people, ...certificate });
writeFileSync(`${RUN}/idp.xml`, (await send(saml.metadata)).body);

const issuer = await startIssuer();

// The gateway does not take certificates from a sidecar, nor another delimiter of groups.
const whole = Boolean(process.env.SIDECARS_GATEWAY);
const gates = {
  openidc: await startGate('openidc', { sidecar: 'openidc', resource: url.OPENIDC }),
  mellon: await startGate('mellon', { sidecar: 'mellon', resource: url.MELLON }),
  nginx: await startGate('nginx', { sidecar: 'oauth2-proxy', resource: url.NGINX, secret: gateSecret }),
};
const others = whole ? {} : {
  tokens: await startGate('tokens', { sidecar: 'openidc', resource: url.TOKENS, groups: '|' }),
  certificates: await startGate('certificates', {
    sidecar: 'certificates',
    resource: url.CERTIFICATES,
    issuer: issuer.name,
    keys: issuer.keys,
  }),
};
Object.assign(gates, others);
const nowhere = '127.0.0.1:1';
await startApache({
  ...ports,
  PROVIDER: provider.issuer,
  PROVIDER_TLS: provider.secure,
  SECRET: secret,
  PASSPHRASE: randomBytes(24).toString('hex'),
  OPENIDC_GATE: gates.openidc.address,
  TOKENS_GATE: gates.tokens?.address ?? nowhere,
  MELLON_GATE: gates.mellon.address,
  CERTIFICATES_GATE: gates.certificates?.address ?? nowhere,
}, ports.OPENIDC);

/** Signs a person in at a sidecar; yields the browser's cookies. */
async function signIn(resource, person, options) {
  people.next = person;
  const { cookies } = await browse(resource, options);
  return cookies;
}

// The gateway hands no address on of which nobody says that it is verified.
const address = whole ? null : 'rita@example.test';
const world = { ports, url, gates, people, provider, issuer, signIn, read, gateSecret, address };
await openidc(world);
if (!whole) await tokens(world);
await mellon(world);
await forgeries(world);
await streams(world);
if (!whole) await certificates(world);
await startNginx({ OPENIDC: ports.OPENIDC, NGINX_GATE: gates.nginx.address, GATE_SECRET: gateSecret }, ports.NGINX);
await chain(world);
process.exit(sum());
