// The conformance suite against the fixture alone, then behind the gate: the same checks must pass. Behind a
// policy that denies a little, all but the checks about that. Started by `run`, which installs the suite.
// With `write`, what the fixture alone passes becomes what is expected.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { startHeader } from './header.mjs';
import { differences, lines, suite } from './suite.mjs';

const { CONFORMANCE_PROGRAM, CONFORMANCE_POLICY, CONFORMANCE_EXPECTED, CONFORMANCE_RESULTS } = process.env;
const REVISIONS = ['2025-11-25', '2026-07-28'];
// What policy.yaml denies, by the scenario that asks for it.
const DENIED = ['prompts-get-with-image', 'resources-read-binary', 'tools-call-image'];

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

/** A header proxy before each gate, and the gates. */
async function startAll() {
  const [open, limited] = await Promise.all([startHeader(), startHeader()]);
  const fixture = JSON.parse(await start(CONFORMANCE_PROGRAM, [CONFORMANCE_POLICY, open.url, limited.url]));
  for (const [proxy, gate] of [[open, fixture.open], [limited, fixture.limited]]) {
    proxy.target = new URL(gate).host;
    proxy.token = fixture.tokens[proxy.url];
  }
  return { alone: fixture.alone, open: open.url, limited: limited.url };
}

/** What is committed for a revision. */
function committed(file) {
  return new Map(readFileSync(file, 'utf8').trim().split('\n').map((line) => {
    const at = line.lastIndexOf(' ');
    return [line.slice(0, at), { status: line.slice(at + 1) }];
  }));
}

const having = (checks, status) => [...checks].filter(([, check]) => check.status === status);

const urls = await startAll();
for (const revision of REVISIONS) {
  const run = (name) => suite(urls[name], revision, `${CONFORMANCE_RESULTS}/${revision}-${name}`);
  const [alone, open, limited] = await Promise.all(['alone', 'open', 'limited'].map(run));
  const file = `${CONFORMANCE_EXPECTED}/${revision}.txt`;
  if (process.argv[2] === 'write') writeFileSync(file, `${lines(alone).join('\n')}\n`);

  const missed = having(alone, 'FAILURE').map(([name, { why }]) => `${name}: ${why}`);
  if (missed.length) fail(`${revision}, alone`, missed);
  const changed = differences(committed(file), alone);
  if (changed.length) fail(`${revision}, alone, is not as expected`, changed);
  const lost = differences(alone, open);
  if (lost.length) fail(`${revision}, behind the gate, differs`, lost);

  const denied = differences(open, limited);
  const wrong = denied.filter((line) => !DENIED.includes(line.split(' ')[0]));
  if (wrong.length) fail(`${revision}, behind the policy, loses what it allows`, wrong);
  for (const scenario of DENIED) {
    const said = denied.some((line) => line.startsWith(`${scenario} `));
    if (!said) fail(`${revision}, behind the policy`, [`${scenario} passes although it is denied`]);
  }
  const [first, second, third] = [alone, open, limited].map((checks) => having(checks, 'SUCCESS').length);
  console.log(`${revision}: ${first} checks passed alone, ${second} behind the gate, ${third} behind the policy`);
}
process.exit(failed ? 1 : 0);
