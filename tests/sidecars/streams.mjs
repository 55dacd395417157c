// Streams and sessions through Apache.
import { group } from './check.mjs';
import { call, startSession, wait } from './mcp.mjs';

export async function streams({ url: { OPENIDC }, signIn }) {
  await group('streams', async (check) => {
    const cookies = await signIn(OPENIDC, 'rita');
    const stream = wait(OPENIDC, { cookies });
    // The tool ends only when this event has come: a sidecar that keeps it back fails here.
    const { value: begun } = await stream.next();
    check('an event comes while the tool runs', [begun?.method, begun?.params.message], ['notifications/progress', 'begun']);
    await call(OPENIDC, 'release', { cookies });
    const { value: ended } = await stream.next();
    check('and then the answer', ended?.result?.content[0].text, 'released');
  });

  await group('sessions', async (check) => {
    const rita = await signIn(OPENIDC, 'rita');
    const session = await startSession(OPENIDC, rita);
    check('a session begins', [session.status, Boolean(session.id)], [200, true]);
    const stream = await session.listen();
    check('its stream opens', stream.status, 200);
    const released = await session.call('release');
    check('it carries a call', [released.status, /released/.test(released.body)], [200, true]);
    for await (const event of stream.events) {
      check('the stream tells of it at once', event.method, 'notifications/tools/list_changed');
      break;
    }
    const ada = await signIn(OPENIDC, 'ada');
    check('it is nobody else\'s', (await session.call('whoami', ada)).status, 404);
    check('it is still hers', (await session.call('whoami')).status, 200);
    check('it ends', [200, 202, 204].includes((await session.end()).status));
    check('for good', (await session.call('whoami')).status, 404);
  });
}
