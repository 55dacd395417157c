// Apache with mod_auth_openidc as the relying party of an OpenID provider.
import { group } from './check.mjs';
import { call, list, whoami } from './mcp.mjs';
import { send } from './http.mjs';

const STAFF = ['release', 'wait', 'whoami'];
const ALL = ['purge', ...STAFF];

export async function openidc({ url: { OPENIDC, OPENIDC_PASS, OPENIDC_OFF }, ports, gates, signIn, address }) {
  const gate = gates.openidc;
  await group('mod_auth_openidc', async (check) => {
    check('nobody gets to the gate without a session', [302, 401].includes(await whoami(OPENIDC)));
    check('the gate was not asked', gate.arrivals().length, 0);

    const rita = await signIn(OPENIDC, 'rita');
    const told = await whoami(OPENIDC, { cookies: rita });
    check('a person signs in', told.subject, 'rita');
    check('the sidecar vouches for her', told.issuer, OPENIDC);
    check('with her groups', told.groups, ['staff']);
    check('and her address', told.claims.email ?? null, address);
    check('and her name for show', told.claims.preferred_username, 'rita');
    check('the sidecar said so in these headers', gate.arrived('oidc_claim_sub'), ['rita']);
    check('it sent a token along', gate.arrived('oidc_access_token').length, 1);
    check('and an ID token', gate.arrived('oidc_id_token').length, 1);
    check('and her cookies', gate.arrived('cookie').length, 1);
    const private_ = told.headers.filter((name) => /^(oidc|remote|authorization|cookie)/.test(name));
    check('none of which reaches the server', private_, []);

    check('she sees what staff may use', await list(OPENIDC, { cookies: rita }), STAFF);
    const denied = await call(OPENIDC, 'purge', { cookies: rita });
    check('she may not use an admin\'s tool', [denied.status, denied.error?.code], [200, -32602]);

    const ada = await signIn(OPENIDC, 'ada');
    check('an admin sees all', await list(OPENIDC, { cookies: ada }), ALL);
    const purged = await call(OPENIDC, 'purge', { cookies: ada });
    check('an admin may use them', purged.result?.content[0].text, 'purged');

    const record = (await gate.records()).find(({ target, decision }) => target === 'purge' && decision === 'deny');
    check('the record of her denial names the person', record?.principal.sub, 'rita');
    check('and the sidecar', record?.principal.iss, OPENIDC);
    const allowed = (await gate.records()).find(({ target, decision }) => target === 'purge' && decision === 'allow');
    check('the record of a permit as well', [allowed?.principal.sub, allowed?.rule_id], ['ada', 'admins-purge']);
    check('no record holds a token', !/eyJ|oidc_/i.test(gate.text()));

    const loner = await signIn(OPENIDC, 'loner');
    check('without groups nothing is seen', await list(OPENIDC, { cookies: loner }), []);
  });

  await group('mod_auth_openidc, odd names', async (check) => {
    const zoe = await signIn(OPENIDC, 'zoe');
    const told = await whoami(OPENIDC, { cookies: zoe });
    check('a name for show that is not ASCII is left out', [told.subject, told.claims.preferred_username], ['zoe', undefined]);
    const utf8 = gate.arrived('oidc_claim_preferred_username').map((text) => Buffer.from(text, 'latin1').toString());
    check('it came as UTF-8', utf8, ['Zoë Müller']);

    const georg = await signIn(OPENIDC, 'georg');
    check('a group that is not ASCII is refused', await whoami(OPENIDC, { cookies: georg }), 400);
    const spaced = await signIn(OPENIDC, 'spaced');
    check('a group with a space before it is refused', await whoami(OPENIDC, { cookies: spaced }), 400);
    check('which came like this', gate.arrived('oidc_claim_groups'), ['staff, admins']);
    check('the record says why', await gate.reason(), 'bad_identity');

    // Documented: joined with a delimiter, a group that holds it cannot be told from two.
    const comma = await signIn(OPENIDC, 'comma');
    check('a group that holds the delimiter is two', (await whoami(OPENIDC, { cookies: comma })).groups, ['staff', 'admins']);
    const semicolon = await signIn(OPENIDC, 'semicolon');
    check('a group that holds another is one, which has no role', await whoami(OPENIDC, { cookies: semicolon }), 'denied');
    check('which came like this', gate.arrived('oidc_claim_groups'), ['staff;admins']);
  });

  // The sidecar lets everybody through, and says nothing of strangers.
  await group('mod_auth_openidc, passing strangers on', async (check) => {
    const host = `127.0.0.1:${ports.OPENIDC}`;
    const before = gate.arrivals().length;
    check('a stranger is nobody', await whoami(OPENIDC_PASS, { host }), 401);
    check('the request reached the gate', gate.arrivals().length, before + 1);
    const more = [['OIDC_CLAIM_sub', 'root'], ['OIDC_CLAIM_groups', 'staff']];
    check('whatever they say', await whoami(OPENIDC_PASS, { host, more }), 401);
    check('also where the module is off, and their headers are unset', await whoami(OPENIDC_OFF, { host, more }), 401);
    const { status, headers } = await send(OPENIDC_PASS, { method: 'POST', lines: [['Host', host]] });
    check('the challenge comes through Apache', [status, /^Bearer .*resource_metadata="/.test(headers['www-authenticate'])], [401, true]);
    const metadata = headers['www-authenticate'].match(/resource_metadata="([^"]+)"/)[1];
    const document = await send(metadata.replace(ports.OPENIDC, ports.OPENIDC_PASS), { lines: [['Host', host]] });
    check('and so does the metadata', JSON.parse(document.body).resource, OPENIDC);
  });
}
