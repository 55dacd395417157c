// Apache with mod_auth_mellon as the service provider of a SAML identity provider.
import { browse } from './browser.mjs';
import { group } from './check.mjs';
import { call, list, whoami } from './mcp.mjs';

const STAFF = ['release', 'wait', 'whoami'];

export async function mellon({ url: { MELLON, MELLON_OFF }, ports, gates, people, signIn, address }) {
  const gate = gates.mellon;
  await group('mod_auth_mellon', async (check) => {
    check('nobody gets to the gate without a session', [302, 303, 401].includes(await whoami(MELLON)));
    check('the gate was not asked', gate.arrivals().length, 0);

    const rita = await signIn(MELLON, 'rita');
    const told = await whoami(MELLON, { cookies: rita });
    check('a person signs in', told.subject, 'rita');
    check('the sidecar vouches for her', told.issuer, MELLON);
    check('with her groups', told.groups, ['staff']);
    check('and her address', told.claims.email ?? null, address);
    check('the sidecar\'s headers do not reach the server', told.headers.filter((name) => /mellon|cookie/.test(name)), []);
    check('she sees what staff may use', await list(MELLON, { cookies: rita }), STAFF);
    const denied = await call(MELLON, 'purge', { cookies: rita });
    check('she may not use an admin\'s tool', [denied.status, denied.error?.code], [200, -32602]);

    const ada = await signIn(MELLON, 'ada');
    check('several groups are joined with a semicolon', [(await whoami(MELLON, { cookies: ada })).groups, gate.arrived('mellon_groups')], [['staff', 'admins'], ['staff;admins']]);
    const purged = await call(MELLON, 'purge', { cookies: ada });
    check('an admin may use them', purged.result?.content[0].text, 'purged');
    const record = (await gate.records()).find(({ target, decision }) => target === 'purge' && decision === 'allow');
    check('the record names the person and the sidecar', [record?.principal.sub, record?.principal.iss], ['ada', MELLON]);

    people.next = 'rita';
    const before = gate.arrivals().length;
    const change = (form) => {
      const assertion = Buffer.from(form.SAMLResponse, 'base64').toString();
      return { ...form, SAMLResponse: Buffer.from(assertion.replaceAll('rita', 'root')).toString('base64') };
    };
    const { status } = await browse(MELLON, { change });
    check('a changed assertion signs nobody in', [status >= 400, gate.arrivals().length], [true, before]);
  });

  await group('mod_auth_mellon, odd names', async (check) => {
    const comma = await signIn(MELLON, 'comma');
    check('a group that holds another delimiter is one, which has no role', await whoami(MELLON, { cookies: comma }), 'denied');
    check('which came like this', gate.arrived('mellon_groups'), ['staff,admins']);
    // Documented: joined with a delimiter, a group that holds it cannot be told from two.
    const semicolon = await signIn(MELLON, 'semicolon');
    check('a group that holds the delimiter is two', (await whoami(MELLON, { cookies: semicolon })).groups, ['staff', 'admins']);
    const georg = await signIn(MELLON, 'georg');
    check('a group that is not ASCII is refused', await whoami(MELLON, { cookies: georg }), 400);
    const spaced = await signIn(MELLON, 'spaced');
    check('a group with a space before it is refused', await whoami(MELLON, { cookies: spaced }), 400);
    const loner = await signIn(MELLON, 'loner');
    const told = await list(MELLON, { cookies: loner });
    check('without groups nothing is seen', told, []);
    check('Apache says so in its own way', gate.arrived('mellon_groups'), ['(null)']);
  });

  await group('mod_auth_mellon, switched off', async (check) => {
    const host = `127.0.0.1:${ports.MELLON}`;
    check('an empty user is nobody', await whoami(MELLON_OFF, { host }), 401);
    check('which came like this', gate.arrived('mellon_name_id'), ['(null)']);
    const more = [['MELLON_NAME_ID', 'root'], ['MELLON_groups', 'admins']];
    check('whatever a stranger says', await whoami(MELLON_OFF, { host, more }), 401);
  });
}
