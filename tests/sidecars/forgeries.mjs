// Headers that a client has made up: through Apache, and past it.
import { group } from './check.mjs';
import { call, whoami } from './mcp.mjs';

// Of families that are not the sidecar's own. Apache passes all of them on.
const FOREIGN = [
  'X-Auth-Request-User', 'X_Auth_Request_User', 'x_auth_request_groups', 'X-Auth-Request-Access-Token',
  'X-Forwarded-User', 'X_Forwarded_User', 'X-FORWARDED-GROUPS', 'X-Forwarded-Email',
  'Remote-User', 'REMOTE_USER', 'Remote-Groups', 'X-Remote-User', 'X-Webauth-User',
  'Cf-Access-Jwt-Assertion', 'X-Goog-Iap-Jwt-Assertion', 'X-Pomerium-Jwt-Assertion',
  'X-Jwt-Claim-Sub', 'X-Vouch-User', 'X-Authentik-Uid', 'X-Mcp-Principal', 'X-User-Id',
  'Client-Cert', 'Client_Cert', 'X-Client-Cert', 'X-Forwarded-Client-Cert', 'X-SSL-Client-Verify',
  'Impersonate-User',
];
const OPENIDC_ONLY = ['OIDC_CLAIM_sub', 'OIDC-CLAIM-sub', 'oidc_claim_GROUPS', 'OIDC_access_token', 'OIDC.CLAIM.sub'];
const MELLON_ONLY = ['MELLON_NAME_ID', 'Mellon-Name-Id', 'mellon_groups', 'Mellon_Uid', 'MELLON.NAME.ID'];

export async function forgeries({ url: { OPENIDC, MELLON }, gates, signIn }) {
  for (const [name, url, gate, foreign] of [
    ['mod_auth_openidc', OPENIDC, gates.openidc, [...FOREIGN, ...MELLON_ONLY]],
    ['mod_auth_mellon', MELLON, gates.mellon, [...FOREIGN, ...OPENIDC_ONLY]],
  ]) {
    await group(`${name}, headers of other families`, async (check) => {
      const cookies = await signIn(url, 'rita');
      const clean = await whoami(url, { cookies });
      for (const header of foreign) {
        const told = await whoami(url, { cookies, more: [[header, 'root'], [header.toLowerCase(), 'admins']] });
        check(`${header} is not believed`, [told.subject, told.groups], ['rita', ['staff']]);
        // Without this, the row would prove only that Apache removes it.
        const there = gate.arrived(header).join(', ');
        if (name === 'mod_auth_mellon') check(`${header} reached the gate`, there, /root/);
        check(`${header} does not reach the server`, told.headers, clean.headers);
      }
    });
  }

  await group('mod_auth_mellon, another sidecar\'s header', async (check) => {
    const cookies = await signIn(MELLON, 'rita');
    const told = await whoami(MELLON, { cookies, more: [['OIDC_CLAIM_sub', 'root']] });
    check('it reached the gate unchanged', gates.mellon.arrived('oidc_claim_sub'), ['root']);
    check('the caller is who signed in', told.subject, 'rita');
    check('the server never sees it', told.headers.filter((header) => /oidc/.test(header)), []);
  });

  // The sidecar's own names: Apache replaces or removes them, and what it does not know as its own
  // is a twin that the gate refuses. Nobody becomes root, and nobody gets another group.
  for (const [name, url, gate, user, groups, expected] of [
    ['mod_auth_openidc', OPENIDC, gates.openidc, 'OIDC_CLAIM_sub', 'OIDC_CLAIM_groups', ['replaced']],
    ['mod_auth_mellon', MELLON, gates.mellon, 'MELLON_NAME_ID', 'MELLON_groups', ['refused', 'replaced']],
  ]) {
    await group(`${name}, its own names`, async (check) => {
      const cookies = await signIn(url, 'rita');
      const spellings = (header) => [...new Set([
        header, header.toLowerCase(), header.toUpperCase(), header.replaceAll('_', '-'), header.replace('_', '-'), header.replaceAll('_', '.'),
      ])];
      const outcomes = new Set();
      for (const [header, value] of [[user, 'root'], [groups, 'admins']]) {
        for (const spelling of spellings(header)) {
          for (const more of [[[spelling, value]], [[spelling, value], [spelling, value]], [[spelling, '']]]) {
            const told = await whoami(url, { cookies, more });
            const good = told === 400 || (told.subject === 'rita' && told.groups.join() === 'staff');
            check(`${spelling} (${more.length}, ${JSON.stringify(more[0][1])}) is not believed`, good ? true : told);
            outcomes.add(told === 400 ? 'refused' : 'replaced');
            const purge = await call(url, 'purge', { cookies, more });
            check(`${spelling} opens nothing`, purge.status === 400 || purge.error?.code === -32602);
          }
        }
      }
      check('they were replaced, or refused', [...outcomes].sort(), expected);

      // Apache drops what a client names in `Connection`, and what it has set itself as well.
      const without = { cookies, more: [['Connection', `close, ${user}`]] };
      check('a client who drops the user is nobody', [400, 401].includes(await whoami(url, without)));
      const shed = await whoami(url, { cookies, more: [['Connection', `close, ${groups}`]] });
      check('one who drops the groups loses their roles', shed, 'denied');
      check('Apache had dropped them', [gate.arrived(user), gate.arrived(groups)], [['rita'], []]);
    });

    // A machine that is not the sidecar, with the very headers that the sidecar would send.
    await group(`${name}, past it`, async (check) => {
      const direct = `http://${gate.address}/mcp`;
      const host = new URL(url).host;
      const headers = [[user, 'root'], [groups, 'admins']];
      const from = '127.0.0.2';
      const allowed = async () => (await gate.records()).filter(({ decision }) => decision === 'allow').length;
      const count = await allowed();
      for (const [what, more] of [
        ['the sidecar\'s own headers', headers],
        ['and the sidecar\'s address', [...headers, ['X-Forwarded-For', '127.0.0.1'], ['Forwarded', 'for=127.0.0.1'], ['X-Real-IP', '127.0.0.1']]],
        ['in another spelling', headers.map(([header, value]) => [header.replaceAll('_', '-'), value])],
        ['twice', [...headers, ...headers]],
        ['of every family', FOREIGN.map((header) => [header, 'root'])],
        ['none at all', []],
      ]) {
        const answer = await call(direct, 'purge', { host, from, more });
        check(`${what}: nobody`, answer.status, 401);
      }
      check('nothing was allowed', await allowed(), count);
      check('the record says why', await gate.reason(), 'untrusted_peer');
      const believed = await call(direct, 'purge', { host, more: headers });
      check('from the sidecar\'s address they would have been believed', believed.result?.content[0].text, 'purged');
    });
  }
}
