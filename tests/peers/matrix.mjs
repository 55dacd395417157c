// The gateway before a server of each SDK, and a client of each SDK before the gateway, in every revision that both
// speak, and in the one that they find: 401 → metadata → sign-in → list → call → 403 → step-up → call, progress, and a call that is cancelled. What
// comes out is compared with matrix.txt.
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { check, eventually, group } from './check.mjs';
import { PROGRAM, report } from './gate.mjs';
import { freeAddress, startGateway } from './gateway.mjs';
import { startProvider } from './provider.mjs';

const { PEERS_GATEWAY, PEERS_MATRIX, PEERS_MATRIX_POLICY, PEERS_PYTHON, PEERS_RECORDS } = process.env;
const here = (file) => new URL(file, import.meta.url).pathname;
const node = (file, ...args) => [process.execPath, here(file), ...args];

const OLD = ['2025-03-26', '2025-06-18', '2025-11-25'];
const ALL = [...OLD, '2026-07-28'];

// Name, path, command, revisions, and how the server learns who is calling: in plain headers, signed, or not at all
// where it is on pipes and everybody has a process of their own.
const SERVERS = [
  ['rmcp', '/rmcp', [PROGRAM, 'notebook'], ALL, 'headers'],
  ['TypeScript 1', '/typescript-1', node('notebook.mjs', 'v1'), OLD, 'signed'],
  ['TypeScript 2', '/typescript-2', node('notebook.mjs', 'v2'), ALL, 'signed'],
  ['Python', '/python', [PEERS_PYTHON, here('notebook.py')], ALL, 'signed'],
  ['TS 1 piped', '/typescript-1-piped', node('notebook.mjs', 'v1'), OLD, 'piped'],
  ['Python piped', '/python-piped', [PEERS_PYTHON, here('notebook.py')], ALL, 'piped'],
];
// `auto` probes for the newest revision.
const CLIENTS = [
  ['rmcp', [PROGRAM, 'client'], [...ALL, 'auto']],
  ['TypeScript 1', node('typescript.mjs', 'v1'), OLD],
  ['TypeScript 2', node('typescript.mjs', 'v2'), [...ALL, 'auto']],
  ['Python', [PEERS_PYTHON, here('client.py')], [...ALL, 'auto']],
];
const TOOLS = ['add_note', 'count_notes', 'list_notes', 'read_note', 'wait_for_notes'];
const CALLS = 'read_note allow, purge_notes deny, add_note challenge, add_note allow, count_notes allow, '
  + 'wait_for_notes allow, read_note allow';
/** Programs at once. */
const AT_ONCE = 3;
/** How long a server on pipes may take to start, in seconds: a busy machine is no fault of the gateway. */
const START = 90;
/** How soon a server has heard that a call was cancelled, in milliseconds. */
const SOON = 60_000;

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill()));

async function start([program, ...args]) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const url = line.match(/^listening on (.*)$/)?.[1];
    if (!url) continue;
    child.stdout.resume();
    const seen = async () => (await fetch(new URL('/seen', url))).json();
    return { url, seen, stop: () => child.kill() };
  }
  throw new Error(`${program} did not start`);
}

/** What servers on pipes have seen. */
function written(file) {
  const seen = { headers: [], ran: [], cancelled: [] };
  // What comes after the last line end is being written.
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  for (const [kind, what] of lines.map((line) => JSON.parse(line))) seen[kind].push(what);
  return seen;
}

/** Everything that stands while clients come and go. */
async function rig(provider) {
  const address = await freeAddress();
  const origin = `http://${address}`;
  const jwks = (name) => `${origin}/.well-known/portcullis/${name}/jwks.json`;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const servers = {}, started = {};
  for (const [name, path, command, spoken, identity] of SERVERS) {
    const id = path.slice(1);
    const resource_metadata = { scopes_supported: ['notes:read'] };
    servers[id] = { path, resource_metadata };
    if (identity === 'piped') {
      const file = `${PEERS_RECORDS}/${id}.jsonl`;
      writeFileSync(file, '');
      const [program, ...args] = [...command, 'piped', file];
      const sessions_only = spoken === OLD;
      servers[id].upstream = { stdio: { command: program, args, start_seconds: START, idle_seconds: 5, sessions_only } };
      started[name] = { seen: async () => written(file), stop: () => {} };
      continue;
    }
    const rules = [jwks(id), origin, `${origin}${path}`];
    started[name] = await start([...command, ...(identity === 'signed' ? rules : [])]);
    servers[id].upstream = { http: { url: started[name].url } };
    const headers = { family: 'auth-request', plain_subjects_of: provider.issuer };
    servers[id].identity = identity === 'signed' ? { signed: { key: 'identity.pem' } } : { headers };
  }
  const gateway = await startGateway(PEERS_GATEWAY, `${PEERS_RECORDS}/matrix`, {
    public_url: origin,
    listen: [{ http: address }],
    authentication: { tokens: { issuers: [{ issuer: provider.issuer, internal: true }] } },
    policy: PEERS_MATRIX_POLICY,
    servers,
  }, { 'identity.pem': privateKey.export({ type: 'pkcs8', format: 'pem' }) });
  return { gateway, origin, started };
}

async function heard(server, key) {
  for (let waited = 0; waited < SOON; waited += 50) {
    if ((await server.seen()).cancelled.includes(key)) return true;
    await sleep(50);
  }
  return false;
}

const words = (text) => String(text).split(' ');

/** One client before one server in one revision; how many checks failed. */
async function cell({ gateway, origin, started }, [client, [program, ...args]], [name, path, , spoken, identity], version, person) {
  let failed = 0;
  const server = started[name];
  const url = `${origin}${path}`;
  await group(`${client} → ${name}, ${version}`, async (check) => {
    const expect = (what, actual, expected) => { failed += check(what, actual, expected) ? 0 : 1; };
    // Whatever goes wrong before the end is one failure.
    failed += 1;
    const saw = await report(program, [...args, url, version, person]);
    failed -= 1;
    expect('asks for a token for this server', saw.asked.resource, url);
    expect('asks for what reading needs, and no more', words(saw.asked.scope), (scopes) =>
      scopes.includes('notes:read') && !scopes.includes('notes:write'));
    expect('sees what the policy grants', saw.tools.toSorted(), TOOLS);
    expect('calls a tool', saw.read, 'The text of welcome.');
    expect('learns nothing of a hidden tool', saw.hidden, /Unknown tool: purge_notes/);
    expect('steps up, and keeps what it had', words(saw.more?.scope), (scopes) =>
      scopes.includes('notes:read') && scopes.includes('notes:write'));
    const known = identity === 'piped' ? 'somebody' : person;
    expect('then the call goes through, and the server knows whose it is', saw.added, `added "lunch" by ${known}`);
    expect('hears of progress', saw.progress, [1, 2, 3]);
    expect('gets the answer after it', saw.counted, 'counted 3 notes');
    expect('cancels a call', saw.waited, 'cancelled');
    expect('which the server hears', await heard(server, saw.key));
    expect('goes on', saw.after, 'The text of welcome.');

    const hers = () => gateway.recorded().filter(({ principal }) => principal?.sub === person);
    const called = (records) => records.filter(({ record, method }) => record === 'decision' && method === 'tools/call');
    const said = (calls) => calls.map(({ target, decision }) => `${target} ${decision}`).join(', ');
    const records = await eventually(hers, (records) => said(called(records)) === CALLS);
    const calls = called(records);
    const agreed = version === 'auto' ? spoken.at(-1) : version;
    expect('spoke the revision', [...new Set(calls.map((record) => record.mcp_version))], [agreed]);
    expect('left a record of each call', said(calls), CALLS);
    expect('met no fault', records.filter((record) => record.http_status >= 500), []);
  });
  return failed;
}

const FORBIDDEN = ['authorization', 'proxy-authorization', 'cookie', 'dpop', 'x-forwarded-access-token'];

/** No server has seen a token, or run what policy denies. */
async function innocent(started) {
  for (const [name, , , , identity] of SERVERS) {
    const { headers, ran } = await started[name].seen();
    check(`${name}: what policy denies did not run`, [ran.length > 20, ran.includes('purge_notes')], [true, false]);
    if (identity === 'piped') continue;
    const all = headers.flat();
    check(`${name}: requests came`, headers.length, (count) => count > 20);
    check(`${name}: no header carries a credential`, all.filter(([name]) => FORBIDDEN.includes(name)), []);
    const jwts = all.filter(([name, value]) => name !== 'x-portcullis-assertion' && /eyJ[\w-]{8}/.test(value));
    check(`${name}: no header holds a token`, jwts, []);
    const names = identity === 'signed' ? 'x-portcullis-assertion' : 'x-auth-request-user';
    const anonymous = headers.filter((one) => !one.some(([name]) => name === names));
    check(`${name}: every request says who is calling`, anonymous, []);
  }
}

/** Clients in rows, servers in columns. */
function table(outcomes) {
  const line = (cells) => cells.map((text, at) => text.padEnd(at ? 14 : 26)).join('').trimEnd();
  const rows = [line(['client', ...SERVERS.map(([name]) => name)])];
  for (const [client, , spoken] of CLIENTS) {
    for (const version of spoken) {
      const of = (name) => outcomes.get(`${client} ${version} ${name}`);
      const say = (failed) => (failed === undefined ? '–' : failed ? `${failed} failed` : 'passed');
      rows.push(line([`${client}, ${version}`, ...SERVERS.map(([name]) => say(of(name)))]));
    }
  }
  return `${rows.join('\n')}\n`;
}

export async function matrix() {
  const provider = await startProvider();
  const everything = await rig(provider);
  const waiting = CLIENTS.flatMap((client) => SERVERS.flatMap((server) =>
    client[2].filter((version) => version === 'auto' || server[3].includes(version)).map((version) => ({ client, server, version }))));
  const outcomes = new Map();
  let people = 0;
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { client, server, version } = next;
      people += 1;
      const failed = await cell(everything, client, server, version, `rita.${people}`);
      outcomes.set(`${client[0]} ${version} ${server[0]}`, failed);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  await innocent(everything.started);
  const found = table(outcomes);
  console.log(`\n${found}`);
  check('the matrix is as expected', found, readFileSync(PEERS_MATRIX, 'utf8'));
  everything.gateway.stop();
  for (const server of Object.values(everything.started)) server.stop();
  provider.stop();
}
