// The corpus of attacks, to MCP servers of four languages: behind the gate, and behind the gateway, none executes
// what policy refused, and what it executes is what the audit trail says. Then to the servers themselves, to see which
// attacks are real there.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { createInterface } from 'node:readline';
import * as jose from 'jose';
import { group } from './check.mjs';
import { PROGRAM, startGate } from './gate.mjs';
import { freeAddress, startGateway } from './gateway.mjs';

const { PEERS_ATTACKS_POLICY: POLICY, PEERS_GATEWAY, PEERS_RECORDS } = process.env;
const here = (file) => new URL(file, import.meta.url).pathname;

const SERVERS = [
  ['rmcp', [PROGRAM, 'server']],
  // It does not speak 2026-07-28.
  ['TypeScript SDK 1', [process.execPath, here('server.mjs'), 'v1'], /\(26\)$/],
  ['TypeScript SDK 2', [process.execPath, here('server.mjs'), 'v2']],
  ['Python SDK', [process.env.PEERS_PYTHON, here('server.py')]],
  ['encoding/json of Go', [process.env.PEERS_GO]],
];

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill()));

// Some write a page about each call that they do not like.
const log = openSync(`${PEERS_RECORDS}/servers.log`, 'w');

function start([program, ...args], errors) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', errors] });
  running.add(child);
  return child;
}

async function serve(command) {
  const child = start(command, log);
  for await (const line of createInterface({ input: child.stdout })) {
    const url = line.match(/^listening on (.*)$/)?.[1];
    if (!url) continue;
    child.stdout.resume();
    return { url, stop: () => child.kill() };
  }
  throw new Error(`${command.join(' ')} did not start: ${readFileSync(`${PEERS_RECORDS}/servers.log`, 'utf8')}`);
}

/** An issuer with one key, whose tokens outlive a slow machine. */
async function startIssuer() {
  const { privateKey, publicKey } = await jose.generateKeyPair('ES256');
  const kid = 'peers';
  const keys = [{ ...(await jose.exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }];
  const server = http.createServer((_, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ keys }));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const token = (audience) => new jose.SignJWT({ client_id: 'peers', scope: 'notes:read', groups: ['staff'] })
    .setProtectedHeader({ alg: 'ES256', kid, typ: 'at+jwt' })
    .setIssuer(issuer).setAudience(audience).setSubject('mallory').setJti('1').setIssuedAt().setExpirationTime('1h')
    .sign(privateKey);
  return { issuer, jwks: `${issuer}/jwks`, token, stop: () => { server.closeAllConnections(); server.close(); } };
}

/** Sends all attacks to `url`, behind which is the server at `server`. */
async function attack(url, server, token, patience) {
  const outcomes = [];
  const child = start([PROGRAM, 'attack', url, server, token, String(patience)], 'inherit');
  const ended = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    const [sent, executed] = JSON.parse(line);
    outcomes.push({ ...sent, executed });
  }
  const [code] = await ended;
  if (code !== 0) throw new Error(`the attacks ended with ${code} after ${outcomes.length}`);
  return outcomes;
}

const sorted = (keys) => JSON.stringify([...(keys ?? [])].sort());
const says = (method, target, keys) => `${method} ${target} ${sorted(keys)}`;

/** What the records allow to each attack. */
function permits(records) {
  const permits = new Map();
  for (const record of records) {
    if (record.record !== 'decision' || record.decision !== 'allow' || record.target === undefined) continue;
    const agent = record.unverified_user_agent;
    const said = says(record.method, record.target, record.argument_keys);
    permits.set(agent, [...(permits.get(agent) ?? []), said]);
  }
  return permits;
}

/** What was executed and no record allows. */
function unrecorded(outcomes, records) {
  const allowed = permits(records);
  return outcomes.flatMap(({ name, agent, executed }) => {
    const left = [...(allowed.get(agent) ?? [])];
    return executed.filter(({ method, target, keys }) => {
      const at = left.indexOf(says(method, target, keys));
      if (at >= 0) left.splice(at, 1);
      return at < 0;
    }).map((one) => `${name}: ${JSON.stringify(one)}`);
  });
}

const unexpected = (outcomes) => outcomes.flatMap(({ name, expect, executed }) =>
  executed.filter(({ method, target }) => !expect.includes(`${method} ${target}`))
    .map((one) => `${name}: ${JSON.stringify(one)}`));

const none = (list) => list.length === 0;

/** The gate in a process with a plain proxy behind it. */
function gateBefore(server, file, issuer) {
  return startGate(file, [issuer], ['--policy', POLICY, '--upstream', server.url]);
}

/** The gateway, which keeps its connections to the server. */
async function gatewayBefore(server, file, issuer) {
  const address = await freeAddress();
  const gateway = await startGateway(PEERS_GATEWAY, `${PEERS_RECORDS}/${file}`, {
    public_url: `http://${address}`,
    listen: [{ http: address }],
    authentication: { tokens: { issuers: [{ issuer: issuer.issuer, jwks_url: issuer.jwks, internal: true }] } },
    policy: POLICY,
    servers: { peer: { path: '/mcp', upstream: { http: { url: server.url } } } },
  });
  return { ...gateway, url: `http://${address}/mcp` };
}

const ran = (outcomes) => outcomes.flatMap(({ agent, name, executed }) =>
  executed.map(({ method, target }) => `${agent} ${name}: ${method} ${target}`));

/** All attacks, behind a gate and then, without `same`, alone; yields what ran, which is `same` if that is given. */
async function run(start, before, [name, command, foreign = /^$/], same) {
  let found = [];
  const issuer = await startIssuer();
  const server = await serve(command);
  const gate = await start(server, `attacks-${`${before}${name}`.replace(/\W/g, '-')}`, issuer);
  await group(`attacks, ${before}${name}`, async (check) => {
    const token = await issuer.token(gate.url);
    const gated = await attack(gate.url, server.url, token, 5000);
    const records = await gate.records();
    check('all were sent', gated.length, (count) => count > 1000);
    const missing = gated.filter(({ name, runs, executed }) => runs && none(executed) && !foreign.test(name));
    check('what is allowed runs', missing.map((o) => o.name), none);
    check('nothing else runs', unexpected(gated), none);
    check('what runs is what the records say', unrecorded(gated, records), none);
    const amounts = gated.flatMap(({ executed }) => executed.map(({ amount }) => amount)).filter((a) => a != null);
    check('no more is paid than policy allows', amounts, (all) => all.every((a) => a >= 0 && a <= 100));
    check('no fault of the gate', gated.filter(({ status }) => status === 500).map((o) => o.name), none);

    const passed = gated.filter(({ executed }) => executed.length > 0).length;
    found = ran(gated);
    if (same) {
      const differ = [...new Set(found).symmetricDifference(new Set(same))];
      check('what runs behind the gate runs, and nothing else', differ, none);
      console.log(`     ${gated.length} requests: ${passed} run behind the gateway`);
      return;
    }
    const plain = await attack(server.url, server.url, token, 300);
    check('all were sent again', plain.length, gated.length);
    const real = plain.filter(({ expect, executed }) => none(expect) && executed.length > 0);
    const forbidden = real.filter(({ executed }) => executed.some(({ target }) => target.startsWith('forbidden_')));
    console.log(`     ${gated.length} requests: ${passed} run behind the gate; of those it refuses, ${real.length} run `
      + `without it, ${forbidden.length} of them a forbidden tool`);
  });
  gate.stop();
  server.stop();
  issuer.stop();
  return found;
}

export async function attacks() {
  for (const server of SERVERS) {
    const found = await run(gateBefore, '', server);
    await run(gatewayBefore, 'gateway, ', server, found);
  }
}
