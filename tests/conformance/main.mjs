// The conformance suite against the fixture alone, then behind the gate and behind the gateway: the same checks
// must pass. Behind a policy that denies a little, all but the checks about that. Started by `run`, which installs
// the suite.
// With `write`, what the fixture alone passes becomes what is expected.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { startGateway } from '../peers/gateway.mjs';
import { startHeader } from './header.mjs';
import { differences, lines, suite } from './suite.mjs';

const {
  CONFORMANCE_PROGRAM, CONFORMANCE_GATEWAY, CONFORMANCE_POLICY, CONFORMANCE_OPEN_POLICY, CONFORMANCE_EXPECTED,
  CONFORMANCE_RESULTS,
} = process.env;
const REVISIONS = ['2025-11-25', '2026-07-28'];
// What policy.yaml denies, by the scenario that asks for it.
const DENIED = ['prompts-get-with-image', 'resources-read-binary', 'tools-call-image'];
// A server on pipes has no streams that could break off and be resumed: it answers each request at once, whole. The
// suite notes that, and asks no more.
const WHOLE = ['server-sse-multiple-streams', 'server-sse-polling'];

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill()));

/** Starts a program and returns its first line of output. */
async function start(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error(`${program} did not start`);
}

let failed = false;
function fail(what, found) {
  failed = true;
  console.log(`FAIL ${what}:`);
  for (const line of found) console.log(`  ${line}`);
}

/** The gateway at the address of `proxy`, before an upstream. */
async function before(upstream, name, proxy, issuer) {
  const folder = `${CONFORMANCE_RESULTS}/gateway-${name}`;
  return startGateway(CONFORMANCE_GATEWAY, folder, {
    public_url: new URL(proxy.url).origin,
    listen: [{ http: '127.0.0.1:0' }],
    authentication: { tokens: { issuers: [{ issuer, internal: true }] } },
    policy: CONFORMANCE_OPEN_POLICY,
    servers: { fixture: { path: '/mcp', upstream } },
  });
}

/** A header proxy before each gate, and the gates. */
async function startAll() {
  const [open, limited, http, stdio] = await Promise.all([0, 1, 2, 3].map(startHeader));
  const urls = [open, limited, http, stdio].map(({ url }) => url);
  const fixture = JSON.parse(await start(CONFORMANCE_PROGRAM, [CONFORMANCE_POLICY, ...urls]));
  const command = { command: CONFORMANCE_PROGRAM, args: ['stdio'] };
  const gateways = await Promise.all([
    before({ http: { url: fixture.upstream } }, 'http', http, fixture.issuer),
    before({ stdio: command }, 'stdio', stdio, fixture.issuer),
  ]);
  const gates = [[open, fixture.open], [limited, fixture.limited], [http, gateways[0].url], [stdio, gateways[1].url]];
  for (const [proxy, gate] of gates) {
    proxy.target = new URL(gate).host;
    proxy.token = fixture.tokens[proxy.url];
  }
  return { alone: fixture.alone, open: open.url, limited: limited.url, http: http.url, stdio: stdio.url };
}

/** What is committed for a revision. */
function committed(file) {
  return new Map(readFileSync(file, 'utf8').trim().split('\n').map((line) => {
    const at = line.lastIndexOf(' ');
    return [line.slice(0, at), { status: line.slice(at + 1) }];
  }));
}

const having = (checks, status) => [...checks].filter(([, check]) => check.status === status);

/** Why the checks of a run, by whom it was against, are not as they must be, given those that are. */
const WRONG = {
  alone: (expected, checks) => [
    ...having(checks, 'FAILURE').map(([name, { why }]) => `${name}: ${why}`),
    ...differences(expected, checks),
  ],
  open: differences,
  http: differences,
  stdio: (expected, checks) => [
    ...differences(expected, checks).filter((line) => !WHOLE.includes(line.split(' ')[0])),
    ...having(checks, 'FAILURE').map(([name, { why }]) => `${name}: ${why}`),
  ],
  limited(expected, checks) {
    const denied = differences(expected, checks);
    const passed = DENIED.filter((scenario) => !denied.some((line) => line.startsWith(`${scenario} `)));
    return [
      ...denied.filter((line) => !DENIED.includes(line.split(' ')[0])),
      ...passed.map((scenario) => `${scenario} passes although it is denied`),
    ];
  },
};
const WHERE = {
  alone: 'alone', open: 'behind the gate', http: 'behind the gateway', stdio: 'behind it on pipes',
  limited: 'behind the policy',
};
/** The suite waits 600 ms for some answers: what a busy machine makes late is asked for again, with nothing beside it. */
const TIMES = 3;

const urls = await startAll();
const names = Object.keys(WRONG);
for (const revision of REVISIONS) {
  const run = (name) => suite(urls[name], revision, `${CONFORMANCE_RESULTS}/${revision}-${name}`);
  const found = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await run(name)])));
  const file = `${CONFORMANCE_EXPECTED}/${revision}.txt`;
  if (process.argv[2] === 'write') writeFileSync(file, `${lines(found.alone).join('\n')}\n`);
  const expected = committed(file);
  for (const name of names) {
    let wrong = WRONG[name](expected, found[name]);
    for (let time = 1; wrong.length && time < TIMES; time += 1) {
      console.log(`${revision}, ${WHERE[name]}, is asked again, for ${wrong.length}: ${wrong[0]}`);
      found[name] = await run(name);
      wrong = WRONG[name](expected, found[name]);
    }
    if (wrong.length) fail(`${revision}, ${WHERE[name]}`, wrong);
  }
  const passed = names.map((name) => `${having(found[name], 'SUCCESS').length} ${WHERE[name]}`);
  console.log(`${revision}: checks passed: ${passed.join(', ')}`);
}
process.exit(failed ? 1 : 0);
