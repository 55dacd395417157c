// nginx with auth_request, which asks Apache who has a session, as it would ask oauth2-proxy.
import { group } from './check.mjs';
import { call, list, wait, whoami } from './mcp.mjs';

export async function chain({ url: { NGINX, OPENIDC }, gates, signIn, gateSecret, address }) {
  const gate = gates.nginx;
  await group('nginx', async (check) => {
    check('nobody gets to the gate without a session', [await whoami(NGINX), gate.arrivals().length], [401, 0]);
    const rita = await signIn(OPENIDC, 'rita');
    const told = await whoami(NGINX, { cookies: rita });
    check('a person is known', [told.subject, told.issuer, told.groups], ['rita', NGINX, ['staff']]);
    check('with her address', told.claims.email ?? null, address);
    check('she sees what staff may use', await list(NGINX, { cookies: rita }), ['release', 'wait', 'whoami']);
    const ada = await signIn(OPENIDC, 'ada');
    check('an admin may use more', (await call(NGINX, 'purge', { cookies: ada })).result?.content[0].text, 'purged');
    const record = (await gate.records()).find(({ target, decision }) => target === 'purge' && decision === 'allow');
    check('the record names the person and the sidecar', [record?.principal.sub, record?.principal.iss], ['ada', NGINX]);

    for (const header of [
      'X-Auth-Request-User', 'x-auth-request-user', 'X_Auth_Request_User', 'X-Auth_Request-User', 'X-Auth-Request-Groups',
      'X_Auth_Request_Groups', 'X-Forwarded-User', 'X_Forwarded_User', 'OIDC_CLAIM_sub', 'Remote-User', 'X.Auth.Request.User',
    ]) {
      const answer = await whoami(NGINX, { cookies: rita, more: [[header, 'root'], [header, 'admins']] });
      const good = answer === 400 || (answer.subject === 'rita' && answer.groups.join() === 'staff');
      check(`${header} is not believed`, good ? true : answer);
    }

    // Another process on the sidecar's machine has its address, and not the secret between the two.
    const direct = `http://${gate.address}/mcp`;
    const root = [['X-Auth-Request-User', 'root'], ['X-Auth-Request-Groups', 'admins']];
    const past = async (from, ...more) =>
      (await call(direct, 'purge', { host: new URL(NGINX).host, from, more: [...root, ...more] })).status;
    check('past it, without the secret: nobody', await past('127.0.0.1'), 401);
    check('with a wrong one: nobody', await past('127.0.0.1', ['X-Gate-Secret', 'x'.repeat(48)]), 401);
    check('with the secret twice: nobody', await past('127.0.0.1', ...Array(2).fill(['X-Gate-Secret', gateSecret])), 401);
    check('with the secret, from elsewhere: nobody', await past('127.0.0.2', ['X-Gate-Secret', gateSecret]), 401);
    check('with both it would be believed', await past('127.0.0.1', ['X-Gate-Secret', gateSecret]), 200);
    const guess = { cookies: rita, more: [['X-Gate-Secret', 'guess'], ['X_Gate_Secret', 'guess']] };
    check('nginx replaces what a client sends for it', (await whoami(NGINX, guess)).subject, 'rita');
    check('the server never sees it', told.headers.filter((name) => /secret/.test(name)), []);
    check('nor any record', !gate.text().includes(gateSecret));

    const stream = wait(NGINX, { cookies: rita });
    check('an event comes while the tool runs', (await stream.next()).value?.params?.message, 'begun');
    await call(NGINX, 'release', { cookies: rita });
    check('and then the answer', (await stream.next()).value?.result?.content[0].text, 'released');
  });
}
