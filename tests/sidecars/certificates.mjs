// Apache with mod_ssl, which ends TLS and tells the gate of the client's certificate (RFC 9440): for
// tokens that are bound to one (RFC 8705).
import { X509Certificate, createHash, randomUUID } from 'node:crypto';
import http from 'node:http';
import * as jose from 'jose';
import { group } from './check.mjs';
import { call, list, whoami } from './mcp.mjs';

/** Starts an issuer that binds tokens to certificates. */
export async function startIssuer() {
  const { privateKey, publicKey } = await jose.generateKeyPair('ES256');
  const key = { ...(await jose.exportJWK(publicKey)), alg: 'ES256', use: 'sig', kid: 'key' };
  const server = http.createServer((_, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [key] }));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const name = 'https://issuer.example.com';
  const token = (resource, claims) => new jose.SignJWT({ client_id: 'client', groups: ['staff'], ...claims })
    .setProtectedHeader({ typ: 'at+jwt', alg: 'ES256', kid: 'key' })
    .setIssuer(name)
    .setSubject('rita')
    .setAudience(resource)
    .setIssuedAt()
    .setExpirationTime('5m')
    .setJti(randomUUID())
    .sign(privateKey);
  return { name, keys: `http://127.0.0.1:${server.address().port}/keys`, token };
}

export async function certificates({ url: { CERTIFICATES }, gates, issuer, read }) {
  const gate = gates.certificates;
  const [mine, other] = ['client', 'other'].map((name) => ({ cert: read(`${name}.crt`), key: read(`${name}.key`) }));
  const der = ({ cert }) => new X509Certificate(cert).raw;
  const field = (tls) => `:${der(tls).toString('base64')}:`;
  const x5t = createHash('sha256').update(der(mine)).digest('base64url');
  const bound = await issuer.token(CERTIFICATES, { cnf: { 'x5t#S256': x5t } });
  const free = await issuer.token(CERTIFICATES, {});
  const bearer = (token) => ['Authorization', `Bearer ${token}`];

  await group('mod_ssl', async (check) => {
    const told = await whoami(CERTIFICATES, { tls: mine, more: [bearer(bound)] });
    check('a token works with its certificate', told.subject, 'rita');
    check('which Apache sent like this', gate.arrived('client-cert'), [field(mine)]);
    check('and the server does not see', told.headers.filter((name) => /cert/.test(name)), []);
    check('policy is as ever', await list(CERTIFICATES, { tls: mine, more: [bearer(bound)] }), ['release', 'wait', 'whoami']);
    check('another certificate does not do', await whoami(CERTIFICATES, { tls: other, more: [bearer(bound)] }), 401);
    check('nor none', await whoami(CERTIFICATES, { more: [bearer(bound)] }), 401);
    check('the record says why', await gate.reason(), 'cnf_mismatch');
    check('a token that is bound to none needs none', (await whoami(CERTIFICATES, { more: [bearer(free)] })).subject, 'rita');

    for (const header of ['Client-Cert', 'client-cert', 'X-Client-Cert', 'X-SSL-Client-Cert', 'X-Forwarded-Client-Cert', 'Client_Cert', 'client.cert']) {
      for (const tls of [undefined, other]) {
        const answer = await whoami(CERTIFICATES, { tls, more: [bearer(bound), [header, field(mine)]] });
        check(`${header} of a client with ${tls ? 'another' : 'no'} certificate is not believed`, [400, 401].includes(answer));
      }
    }
    const shed = await whoami(CERTIFICATES, { tls: mine, more: [bearer(bound), ['Connection', 'close, Client-Cert']] });
    check('who makes Apache drop it has none', [400, 401].includes(shed));

    const direct = `http://${gate.address}/mcp`;
    const host = new URL(CERTIFICATES).host;
    const more = [bearer(bound), ['Client-Cert', field(mine)]];
    check('past Apache it is not believed', (await call(direct, 'whoami', { host, more, from: '127.0.0.2' })).status, 401);
    check('from Apache\'s address it would have been', (await call(direct, 'whoami', { host, more })).status, 200);
    check('two are refused', (await call(direct, 'whoami', { host, more: [...more, more[1]] })).status, 400);
  });
}
